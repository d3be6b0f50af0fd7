// `npm run web-example [-- --port 8789 --api-port 8790]`: the page, and the API behind it.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createServer } from 'vite';

import { startUpstream } from './upstream.ts';

const { values } = parseArgs({
  options: { port: { type: 'string', default: '8789' }, 'api-port': { type: 'string', default: '8790' } },
});

const upstream = await startUpstream(Number(values['api-port']));
const server = await createServer({
  configFile: fileURLToPath(new URL('vite.config.ts', import.meta.url)),
  server: { port: Number(values.port) },
  logLevel: 'warn',
  clearScreen: false,
});
await server.listen();

const page = `${server.resolvedUrls?.local[0] ?? ''}?api=${encodeURIComponent(upstream.url)}`;
console.log(`
The page is at    ${page}
Its API is at     ${upstream.url}

Open the page, then break the API in its panel "Backstage", and reload while it is down.
Ctrl-C ends it.`);

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, async () => {
    await Promise.all([server.close(), upstream.close()]);
    process.exit(0);
  });
}
