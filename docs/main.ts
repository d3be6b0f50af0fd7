import { fileURLToPath } from 'node:url';
import { build, createServer } from 'vitepress';

import { writeReference } from './reference.ts';

// `npm run docs` writes the site to docs/.vitepress/dist; `npm run docs:dev` serves it, and follows what is edited.

const root = fileURLToPath(new URL('.', import.meta.url));

await writeReference();
if (process.argv.includes('--serve')) {
  const server = await createServer(root);
  await server.listen();
  server.printUrls();
} else {
  await build(root);
}
