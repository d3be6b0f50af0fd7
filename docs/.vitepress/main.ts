import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, createServer } from 'vitepress';

import { writeReference } from './reference.ts';

// `npm run docs` writes the site to docs/.vitepress/dist, or to where `--out` says; `npm run docs:dev` serves it, and follows
// what is edited.
const { values } = parseArgs({ options: { out: { type: 'string' }, serve: { type: 'boolean' } } });
const root = fileURLToPath(new URL('..', import.meta.url));

await writeReference();
if (values.serve) {
  const server = await createServer(root);
  await server.listen();
  server.printUrls();
} else {
  await build(root, values.out === undefined ? {} : { outDir: values.out });
}
