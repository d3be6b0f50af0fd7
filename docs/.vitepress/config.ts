import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';

import { promql } from './promql.ts';
import { linkToRepository, repository } from './repository-links.ts';
import { sidebar } from './sidebar.ts';
import { slug } from './slug.ts';

const reference = JSON.parse(readFileSync(new URL('../api/typedoc-sidebar.json', import.meta.url), 'utf8'));

// Where the site is below its host: `/steadfetch/` on GitHub Pages.
const base = process.env['DOCS_BASE'] ?? '/';

// Pages that explain come before those that list.
const searchOptions = {
  combineWith: 'AND',
  boostDocument: (id: string) => (id.includes('/api/') ? 0.2 : 1),
};

// Their tables are wider than what a list of headings beside them leaves.
const WIDE = /^(?:options|errors|operations|security|numbers|migration\/.*)\.md$/;

export default defineConfig({
  title: 'steadfetch',
  description: 'A fault-tolerant fetch for browsers, Cloudflare Workers, Node, Deno and Bun.',
  lang: 'en',
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: `${base}logo.svg` }]],
  base,
  cleanUrls: true,
  ignoreDeadLinks: false,
  transformPageData: (page) => {
    if (WIDE.test(page.relativePath)) page.frontmatter['aside'] = false;
  },
  markdown: {
    config: linkToRepository,
    anchor: { slugify: slug },
    languages: [promql],
    // The usual ones have too little contrast for comments.
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
  },
  // The index of the search is one file, and is loaded when somebody searches.
  vite: { build: { chunkSizeWarningLimit: 2_000 } },
  themeConfig: {
    logo: '/logo.svg',
    search: { provider: 'local', options: { miniSearch: { searchOptions } } },
    outline: [2, 3],
    nav: [
      { text: 'Start', link: '/getting-started' },
      { text: 'Why', link: '/why' },
      { text: 'API', link: '/api/' },
    ],
    sidebar: [...sidebar(), { text: 'API', link: '/api/', collapsed: true, items: reference }],
    socialLinks: [{ icon: 'github', link: repository }],
  },
});
