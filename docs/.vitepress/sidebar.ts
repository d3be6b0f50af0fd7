import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DefaultTheme } from 'vitepress';

const docs = fileURLToPath(new URL('..', import.meta.url));

/** Pages in the order in which they are shown, or all in a folder. One that has yet to be written is left out. */
const groups: Readonly<Record<string, readonly string[]>> = {
  Start: ['getting-started', 'options', 'layers', 'errors', 'numbers', 'playground'],
  Guides: [
    'fallback',
    'frameworks',
    'workers',
    'deadlines',
    'health',
    'telemetry',
    'devtools',
    'testing',
    'hedging',
    'adaptive-limit',
    'fleet',
    'fleet-tabs',
    'fleet-durable',
  ],
  Operate: ['operations', 'security', 'why'],
  Recipes: ['recipes/index', 'recipes/'],
  Migrate: ['migration/index', 'migration/'],
};

/** All pages by their groups, each under its own title. One that is in no group is an error: nobody would find it. */
export function sidebar(pages: readonly string[] = written()): DefaultTheme.SidebarItem[] {
  const placed = new Set<string>();
  const items = Object.entries(groups).map(([text, names]) => {
    const found = names.flatMap((name) =>
      pages.filter((page) => page === name || (name.endsWith('/') && page.startsWith(name))),
    );
    const shown = [...new Set(found)];
    for (const page of shown) placed.add(page);
    return { text, items: shown.map((page) => ({ text: titleOf(page), link: linkTo(page) })) };
  });
  const lost = pages.filter((page) => !placed.has(page));
  if (lost.length > 0) throw new Error(`No group of the sidebar has docs/${lost.join('.md, docs/')}.md`);
  return items.filter((group) => group.items.length > 0);
}

function written(): string[] {
  return globSync('**/*.md', { cwd: docs, exclude: ['node_modules/**', 'api/**', '.vitepress/**', 'index.md'] })
    .map((path) => path.replaceAll('\\', '/').replace(/\.md$/, ''))
    .sort();
}

function titleOf(page: string): string {
  const heading = /^# (.+)$/m.exec(readFileSync(join(docs, `${page}.md`), 'utf8'))?.[1];
  if (heading === undefined) throw new Error(`docs/${page}.md has no title`);
  return heading.replaceAll('`', '');
}

function linkTo(page: string): string {
  return `/${page.replace(/(^|\/)index$/, '$1')}`;
}
