import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';

import { linkToRepository, repository } from './repository-links.ts';
import { sidebar } from './sidebar.ts';
import { slug } from './slug.ts';

const reference = JSON.parse(readFileSync(new URL('../api/typedoc-sidebar.json', import.meta.url), 'utf8'));

export default defineConfig({
  title: 'steadfetch',
  description: 'A fault-tolerant fetch for browsers, Cloudflare Workers, Node, Deno and Bun.',
  lang: 'en',
  // Where the site is below its host, as on GitHub Pages: `/steadfetch/`.
  base: process.env['DOCS_BASE'] ?? '/',
  cleanUrls: true,
  ignoreDeadLinks: false,
  markdown: {
    config: linkToRepository,
    anchor: { slugify: slug },
    languageAlias: { promql: 'txt' },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [{ text: 'API', link: '/api/' }],
    sidebar: [...sidebar(), { text: 'API', collapsed: true, items: reference }],
    socialLinks: [{ icon: 'github', link: repository }],
  },
});
