// `npm run web-example [-- --port 8789 --api-port 8790]`: the page, and the API behind it.
import { fileURLToPath } from 'node:url';
import { createServer } from 'vite';

import { startOnPorts } from '../tools/example-ports.ts';
import { startUpstream } from './upstream.ts';

const USAGE = `npm run web-example    the page, and the API behind it

  --port N         where the page is, 0 for any free port    (default 8789)
  --api-port N     where its API is, 0 for any free port     (default 8790)
  --help           this text`;

await startOnPorts(USAGE, { port: 8_789, 'api-port': 8_790 }, async ({ port, 'api-port': apiPort }) => {
  const upstream = await startUpstream(apiPort);
  const server = await createServer({
    configFile: fileURLToPath(new URL('vite.config.ts', import.meta.url)),
    server: { port },
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
});
