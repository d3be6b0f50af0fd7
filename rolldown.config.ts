import { defineConfig } from 'rolldown';

/** What package.json exports, and where it is written down. */
export const entries = {
  index: 'src/index.ts',
  'adapters/cloudflare': 'src/adapters/cloudflare.ts',
  'adapters/redis': 'src/adapters/redis.ts',
  'adapters/ky': 'src/adapters/ky.ts',
  'devtools/index': 'src/devtools/index.ts',
  'fleet/tabs': 'src/fleet/tabs.ts',
  'health/index': 'src/health/index.ts',
  'otel/index': 'src/otel/index.ts',
  'server-timing': 'src/server-timing.ts',
  'stores/idb': 'src/stores/idb.ts',
  'testing/index': 'src/testing/index.ts',
};

// One file per entry, and two beside them for what they share: a bundler leaves out what is not used, and whoever loads the files
// as they are asks for three at most. Declarations come from tsc: see `npm run build`.
export default defineConfig({
  input: entries,
  // Packages: what is neither a path nor, as on Windows, one that begins with a drive.
  external: /^(?![a-z]:)[^./]/i,
  platform: 'neutral',
  transform: { target: 'es2022' },
  output: {
    dir: 'dist',
    cleanDir: true,
    sourcemap: true,
    chunkFileNames: '[name].js',
    comments: { jsdoc: false },
    codeSplitting: {
      groups: [
        { name: 'fleet/shared', test: /src.fleet/, minShareCount: 2 },
        { name: 'shared', minShareCount: 2 },
      ],
    },
  },
});
