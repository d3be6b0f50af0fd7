import { existsSync, globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { expect, test } from 'vitest';

import { inRepository } from '../../docs/.vitepress/repository-links.ts';
import { sidebar } from '../../docs/.vitepress/sidebar.ts';
import { slug } from '../../docs/.vitepress/slug.ts';

const pages = globSync(['*.md', '{bench,docs,lab,test,tools,web-example,worker-example}/**/*.md'], {
  exclude: ['**/node_modules/**', '**/.work/**', 'docs/api/**'],
})
  .map((path) => path.replaceAll('\\', '/'))
  .sort();

test('the pages have links and headings that are looked at', () => {
  expect(pages).toEqual(expect.arrayContaining(['CONTRIBUTING.md', 'README.md', 'docs/why.md', 'lab/README.md']));
  expect(linksIn('docs/why.md')).toEqual(
    expect.arrayContaining(['../lab/README.md', '#5-is-it-back', 'figures/hedging.svg']),
  );
  expect(anchorsIn('docs/why.md')).toContain('5-is-it-back');
});

test.for(pages)('%s links to files that exist, and to headings that they have', (page) => {
  expect(linksIn(page).filter((link) => !leadsSomewhere(page, link))).toEqual([]);
});

test.for([
  ['../lab/README.md', 'why.md', 'lab/README.md'],
  ['../lab/README.md#your-own-policy', 'why.md', 'lab/README.md#your-own-policy'],
  ['../../src/index.ts', 'recipes/ky.md', 'src/index.ts'],
  ['examples/shutdown.mjs', 'health.md', 'docs/examples/shutdown.mjs'],
] as const)('a link to %s, which is no page, in %s leads to the repository', ([href, from, path]) => {
  expect(inRepository(href, from)).toBe(`https://github.com/steadfetch/steadfetch/blob/main/${path}`);
});

test("a link to the reports of what is public leads to the site's reference", () => {
  expect(inRepository('../api/', 'index.md')).toBe('/api/');
  expect(inRepository('../../api/index.api.md', 'recipes/ky.md')).toBe(
    'https://github.com/steadfetch/steadfetch/blob/main/api/index.api.md',
  );
});

test.for(['fleet.md', 'fleet.md#redis', '../fleet.md', '#here', '/api/', 'https://example.com/x'])(
  'a link to %s stays as it is',
  (href) => {
    expect(inRepository(href, 'recipes/ky.md')).toBe(href);
  },
);

test('the sidebar has pages by their titles, in an order of its own, and what is in a folder after its index', () => {
  expect(sidebar(['layers', 'recipes/ky', 'getting-started', 'recipes/index', 'recipes/hono'])).toMatchObject([
    { text: 'Start', items: [{ text: 'Five minutes', link: '/getting-started' }, { link: '/layers' }] },
    { text: 'Recipes', items: [{ link: '/recipes/' }, { link: '/recipes/ky' }, { link: '/recipes/hono' }] },
  ]);
});

test('the sidebar does without no page', () => {
  expect(() => sidebar(['layers', 'nowhere'])).toThrow('No group of the sidebar has docs/nowhere.md');
});

/** Of links and pictures, those that lead to the repository. */
function linksIn(page: string): string[] {
  const text = proseOf(page).replaceAll(/`[^`\n]+`/g, '');
  const links = text.matchAll(/\]\(([^)\s]+)(?: "[^"]*")?\)|^\[[^\]]+\]: (\S+)|\b(?:href|src)="([^"]+)"/gm);
  return Array.from(links, ([, inline, reference, html]) => inline ?? reference ?? html ?? '').filter(
    (link) => !/^(?:[a-z]+:|\/)/.test(link),
  );
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const file = path === '' ? page : posix.join(posix.dirname(page), decodeURI(path));
  return existsSync(file) && (anchor === undefined || anchorsIn(file).includes(decodeURI(anchor)));
}

/** What the headings of a page can be linked to by: where several are alike, the later ones are numbered. */
function anchorsIn(page: string): string[] {
  const slugs = Array.from(proseOf(page).matchAll(/^#{1,6} (.+)$/gm), ([, heading = '']) =>
    slug(heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')),
  );
  return slugs.map((each, index) => {
    const before = slugs.slice(0, index).filter((other) => other === each).length;
    return before === 0 ? each : `${each}-${before}`;
  });
}

function proseOf(page: string): string {
  return readFileSync(page, 'utf8')
    .replaceAll(/^ *```.*?^ *```$/gms, '')
    .replaceAll(/<!--.*?-->/gs, '');
}
