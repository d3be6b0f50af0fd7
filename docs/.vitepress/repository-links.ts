import { posix } from 'node:path';
import type { MarkdownRenderer } from 'vitepress';

export const repository = 'https://github.com/steadfetch/steadfetch';

/** Pages are read in the repository as well, and link to what is there and not in the site: code, and other READMEs. */
export function linkToRepository(markdown: MarkdownRenderer): void {
  markdown.core.ruler.push('repository-links', ({ tokens, env }) => {
    const links = tokens.flatMap(({ children }) => children ?? []).filter(({ type }) => type === 'link_open');
    for (const link of links) link.attrSet('href', inRepository(link.attrGet('href') ?? '', env['relativePath']));
  });
}

/** The address of a file in the repository, where `href`, in the page at `from` below docs, leads to one that is no page. */
export function inRepository(href: string, from: string): string {
  if (/^(?:[a-z]+:|[/#])/.test(href)) return href;
  const path = posix.join('docs', posix.dirname(from), href);
  // What is public: in the repository its reports, here the reference.
  if (path === 'api/') return '/api/';
  const isPage = path.startsWith('docs/') && /\.md(?:#.*)?$/.test(path);
  return isPage ? href : `${repository}/blob/main/${path}`;
}
