import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

/** Where the site is below its host, as on GitHub Pages. */
export const BASE = '/steadfetch/';

const out = 'test/site/.work';

/** What it is made of. */
const sources = ['docs/**/*.*', 'src/**/*.ts', 'playground/**/*.*', 'lab/*.ts', 'README.md', 'package.json'];

/** The site, built and served. */
export interface Site {
  readonly address: string;
  /** The paths of all pages below the site's, without their extension. */
  readonly pages: readonly string[];
  /** The HTML of a page. */
  read(page: string): string;
  /** Whether there is such a file; `path` begins with the base. */
  has(path: string): boolean;
  close(): void;
}

/** Serves the site as GitHub Pages does. */
export async function openSite(): Promise<Site> {
  if (!isBuilt()) buildSite();
  const server = createServer(({ url = '/' }, response) => {
    const file = fileOf(decodeURI(new URL(url, 'http://127.0.0.1').pathname));
    if (file === undefined) response.writeHead(404).end();
    else response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream').end(readFileSync(file));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}${BASE}`,
    pages: globSync('**/*.html', { cwd: out }).map((path) => path.replaceAll('\\', '/').replace(/\.html$/, '')),
    read: (page) => readFileSync(join(out, `${page}.html`), 'utf8'),
    has: (path) => fileOf(path) !== undefined,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Whether nothing has changed since, so that tests after one another share it. */
function isBuilt(): boolean {
  const [builtAt = 0] = globSync('index.html', { cwd: out }).map((path) => changedAt(join(out, path)));
  const generated = /^docs\/(?:api|\.vitepress\/(?:cache|dist|node_modules))\b/;
  return globSync(sources, { exclude: ['**/node_modules/**'] })
    .filter((path) => !generated.test(path.replaceAll('\\', '/')))
    .every((path) => changedAt(path) < builtAt);
}

function changedAt(path: string): number {
  return statSync(path).mtimeMs;
}

/** As `npm run docs` does, elsewhere. */
function buildSite(): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['docs/.vitepress/main.ts', '--out', out], {
    env: { ...process.env, DOCS_BASE: BASE, NODE_ENV: 'production' },
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (status !== 0) throw new Error(`The site could not be built:\n${stdout}${stderr}`);
}

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
};

function fileOf(path: string): string | undefined {
  if (!path.startsWith(BASE)) return undefined;
  const place = join(out, path.slice(BASE.length));
  return [place, `${place}.html`, join(place, 'index.html')].find(
    (file) => existsSync(file) && statSync(file).isFile(),
  );
}
