import { defineConfig } from 'tsup';

// One file per entry, and what they share beside them. Declarations come from tsc: see `npm run build`.
export default defineConfig({
  entry: {
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
  },
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  sourcemap: true,
  clean: true,
  dts: false,
});
