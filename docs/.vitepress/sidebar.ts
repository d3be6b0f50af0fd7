import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DefaultTheme } from 'vitepress';

const docs = fileURLToPath(new URL('..', import.meta.url));

// A page that has yet to be written is left out.
const start = ['getting-started', 'options', 'layers', 'errors', 'numbers', 'playground'];
const guides = [
  'fallback',
  'frameworks',
  'workers',
  'deadlines',
  'health',
  'telemetry',
  'devtools',
  'testing',
  'hedging',
];
const fleets = ['adaptive-limit', 'fleet', 'fleet-tabs', 'fleet-durable'];
const operate = ['operations', 'security', 'why'];

/** All pages but the home page, by their groups, each under its own title. A page that is in no group is an error: nobody would find it. */
export function sidebar(): DefaultTheme.SidebarItem[] {
  const pages = globSync('**/*.md', { cwd: docs, exclude: ['node_modules/**', 'api/**', '.vitepress/**', 'index.md'] })
    .map((path) => path.replaceAll('\\', '/').replace(/\.md$/, ''))
    .sort();
  const groups = [
    { text: 'Start', pages: start.filter((page) => pages.includes(page)) },
    { text: 'Guides', pages: [...guides, ...fleets].filter((page) => pages.includes(page)) },
    { text: 'Operate', pages: operate.filter((page) => pages.includes(page)) },
    { text: 'Recipes', pages: inFolder('recipes/', pages) },
    { text: 'Migrate', pages: inFolder('migration/', pages) },
  ].filter((group) => group.pages.length > 0);
  const lost = pages.filter((page) => !groups.some((group) => group.pages.includes(page)));
  if (lost.length > 0)
    throw new Error(`In no group of the sidebar: ${lost.map((page) => `docs/${page}.md`).join(', ')}`);
  return groups.map(({ text, pages }) => ({
    text,
    items: pages.map((page) => ({ text: titleOf(page), link: linkTo(page) })),
  }));
}

/** By name, after the page that is about all of them. */
function inFolder(folder: string, pages: readonly string[]): string[] {
  const index = `${folder}index`;
  const found = pages.filter((page) => page.startsWith(folder));
  return [...found.filter((page) => page === index), ...found.filter((page) => page !== index)];
}

function titleOf(page: string): string {
  const heading = /^# (.+)$/m.exec(readFileSync(join(docs, `${page}.md`), 'utf8'))?.[1];
  if (heading === undefined) throw new Error(`docs/${page}.md has no title`);
  return heading.replaceAll('`', '');
}

function linkTo(page: string): string {
  return `/${page.replace(/(^|\/)index$/, '$1')}`;
}
