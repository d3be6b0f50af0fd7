import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type ElementNode, NodeTypes, parse as parseHtml } from '@vue/compiler-dom';
import json5 from 'json5';
import { expect, test } from 'vitest';

import { runCommand } from '../../tools/run-command.ts';
import { type Block, blocksOf, emptyDirectory, pages, type Snippet, writeFile } from './snippets.ts';

const blocks = pages.flatMap((page) => blocksOf(page));

/** What a fragment takes for granted, by how it begins. */
const before: Readonly<Record<string, string>> = {
  'api.GET(': `
    import createApiClient from 'openapi-fetch';
    import { createClient } from 'steadfetch';
    const client = createClient();
    /** @typedef {{ '/report': { get: { responses: { 200: { content: { 'text/csv': string } } } } } }} Paths */
    const api = /** @type {import('openapi-fetch').Client<Paths>} */ (createApiClient());`,
  'api.report.$get(': `
    import { Hono } from 'hono';
    import { hc } from 'hono/client';
    const app = new Hono().get('/report', (context) => context.json({}));
    const api = hc<typeof app>('http://127.0.0.1');
    const { signal } = new AbortController();`,
  'const notOurs = ': `
    import { createServerAdapter } from '@whatwg-node/server';
    import express from 'express';
    import { createHealth } from 'steadfetch/health';
    const app = express();
    const health = createHealth();`,
  'app.use(async (context': `
    import { Hono } from 'hono';
    import { createHealth } from 'steadfetch/health';
    const app = new Hono();
    const health = createHealth();`,
  "await api.from('products')": `
    import { PostgrestClient } from '@supabase/postgrest-js';
    const api = new PostgrestClient('');`,
  'await client.json(': `
    import { createClient, type FetchInit } from 'steadfetch';
    import { MockAgent } from 'undici';
    const client = createClient();
    const network = new MockAgent();`,
  'const repeatable = ': `
    import { Octokit } from 'octokit';
    import { createClient } from 'steadfetch';
    const client = createClient();
    const octokit = new Octokit();`,
  'const response = await api.fetch(': `
    import { createClient } from 'steadfetch';
    const api = createClient();`,
  'createClient(url, key,': `
    import { createClient } from '@supabase/supabase-js';
    const client = (await import('steadfetch')).createClient();
    const [url, key] = ['', ''];`,
  'createConnectTransport({': `
    import { createConnectTransport } from '@connectrpc/connect-web';
    import { createClient } from 'steadfetch';
    const client = createClient();
    const baseUrl = '';`,
  "import { createServerAdapter } from '@whatwg-node/server';": `
    import { createServer } from 'node:http';
    import { createHealth } from 'steadfetch/health';
    const health = createHealth();
    const answer = (/** @type {Request} */ request) => new Response(request.url);`,
  "import { serve } from '@hono/node-server';": `
    import { Hono } from 'hono';
    const app = new Hono();`,
  'openai.chat.completions.create(': `
    import OpenAI from 'openai';
    const openai = new OpenAI();
    const body = { model: '', messages: [] };`,
};

const startOf = ({ code }: Snippet): string | undefined => Object.keys(before).find((start) => code.startsWith(start));

const inBrowser = ({ page }: Snippet): boolean => page === 'docs/frameworks' || page === 'docs/devtools';
const ofNext = ({ page }: Snippet): boolean => page === 'docs/recipes/nextjs';
const ofWorker = ({ code }: Snippet): boolean => /'cloudflare:workers'|waitUntil\(work/.test(code);
const blocksIn = (...languages: readonly string[]): readonly Block[] =>
  blocks.filter(({ language }) => languages.includes(language));

interface Program {
  readonly name: string;
  readonly blocks: readonly Block[];
  /** Those of the compiler. */
  readonly options: object;
  readonly compiler?: readonly string[];
  /** What is compiled of a block, where it is not what stands there. */
  readonly wrap?: (code: string) => string;
  /** Files that its blocks take for granted, and what is in them. */
  readonly besides?: Readonly<Record<string, string>>;
  readonly prepare?: (directory: string) => Promise<void>;
}

const apiOf = {
  'docs/devtools/api.ts': "import { createClient } from 'steadfetch';\n\nexport const client = createClient();\n",
};
const panelOf = "import 'steadfetch/devtools';\nimport { client } from './api';";

const types = blocksIn('ts');
const bundled = { ...{ module: 'esnext', moduleResolution: 'bundler' }, rewriteRelativeImportExtensions: false };
const dom = ['es2024', 'dom', 'dom.iterable', 'dom.asynciterable'];
/** As `// @ts-check` has it: what says nothing of its type may be anything. */
const javascript = {
  ...{ allowJs: true, checkJs: true, noImplicitAny: false, noImplicitReturns: false },
  ...{ noUncheckedIndexedAccess: false, noPropertyAccessFromIndexSignature: false, noUnusedLocals: false },
};

const programs: readonly Program[] = [
  {
    name: 'TypeScript',
    blocks: types.filter((block) => !ofNext(block) && !ofWorker(block)),
    options: {},
  },
  {
    name: 'TypeScript, for Next.js',
    blocks: types.filter(ofNext),
    options: { ...bundled, types: ['next'] },
  },
  {
    name: 'what is for pages of the web',
    blocks: [...blocksIn('tsx'), ...blocksIn('js').filter(inBrowser)],
    options: { ...bundled, lib: dom, jsx: 'react-jsx', allowJs: true, checkJs: true },
    besides: apiOf,
  },
  {
    name: 'scripts of HTML',
    blocks: blocksIn('html'),
    options: {
      ...{ ...bundled, ...javascript, lib: dom, strict: false, exactOptionalPropertyTypes: false },
      paths: { 'https://cdn.example/steadfetch/dist/devtools/index.js': [resolve('dist/devtools/tag-name.d.ts')] },
    },
    wrap: (code) => scriptsOf(code, 'module').join('\n'),
    besides: apiOf,
  },
  {
    name: 'JavaScript',
    blocks: blocksIn('js').filter((block) => !inBrowser(block)),
    options: {
      ...{ ...bundled, ...javascript, lib: ['es2024'], types: ['node'] },
      paths: { '@sveltejs/kit': [resolve('test/recipes/sveltekit/node_modules/@sveltejs/kit')] },
    },
    besides: {
      'docs/recipes/sveltekit/src/routes/$types.ts': "export type { Load as PageLoad } from '@sveltejs/kit';\n",
    },
  },
  {
    name: 'Vue',
    blocks: blocksIn('vue'),
    options: { ...bundled, lib: dom },
    // It takes a compiler that is written in JavaScript.
    compiler: ['-e', `require('vue-tsc').run(require.resolve('typescript-6.0/lib/tsc'))`, 'vue-tsc', '--project', '.'],
    wrap: (code) => `<script setup lang="ts">\n${panelOf}\n</script>\n<template>\n${code}</template>\n`,
    besides: apiOf,
  },
  {
    name: 'Svelte',
    blocks: blocksIn('svelte'),
    options: { ...bundled, lib: dom },
    compiler: [
      resolve('test/recipes/sveltekit/node_modules/svelte-check/bin/svelte-check'),
      ...['--workspace', '.', '--output', 'machine', '--fail-on-warnings', '--threshold', 'warning'],
    ],
    wrap: (code) => `<script lang="ts">\n${panelOf}\n</script>\n${code}`,
    besides: apiOf,
  },
  ...[...new Set(types.filter(ofWorker).map(({ page }) => page))].map(workerOf),
];

/** A page's Worker, with the types that Cloudflare has of the platform, and that wrangler makes of the configuration in the page. */
function workerOf(page: string): Program {
  return {
    name: `the Worker of ${page}`,
    blocks: types.filter((block) => block.page === page && ofWorker(block)),
    options: { lib: ['es2022', 'esnext.disposable'], types: ['@cloudflare/workers-types'] },
    prepare: async (directory) => {
      const [config] = blocksIn('jsonc').filter((block) => block.page === page);
      if (config === undefined) return;
      writeFile(join(directory, 'wrangler.jsonc'), config.code);
      const wrangler = resolve('node_modules/wrangler/bin/wrangler.js');
      const args = [wrangler, 'types', '--include-runtime=false'];
      // Its banner asks npm for news.
      const { ok, stderr } = await runCommand(process.execPath, args, directory, { WRANGLER_HIDE_BANNER: 'true' });
      // A field that it does not know is a warning to it.
      if (!ok || stderr.includes('WARNING')) throw new Error(`wrangler does not like ${page}: ${stderr}`);
    },
  };
}

test.for(programs)(
  '$name in README and docs compiles, as for those who copy it',
  { timeout: 120_000 },
  async (program) => {
    expect(program.blocks).not.toEqual([]);
    expect(await complaintsOf(program)).toBe('');
  },
);

async function complaintsOf(program: Program): Promise<string> {
  const { name, options, compiler, wrap, besides = {}, prepare } = program;
  const directory = emptyDirectory(`compiled-${name.replaceAll(/\W+/g, '-')}`);
  const named = types.filter(({ page, file }) => file && program.blocks.some((block) => block.page === page));
  const written = new Set<string>();
  [...new Set([...program.blocks, ...named])].forEach((block, index) => {
    const { page, language, file = `${index}.${language === 'html' ? 'js' : language}` } = block;
    const path = written.has(`${page}/${file}`) ? `${page}/${index}/${file}` : `${page}/${file}`;
    written.add(path);
    const start = startOf(block);
    const code = wrap && program.blocks.includes(block) ? wrap(block.code) : block.code;
    writeFile(join(directory, path), start === undefined ? code : `${before[start]}\n\n${code}`);
  });
  for (const [path, code] of Object.entries(besides)) writeFile(join(directory, path), code);
  const config = {
    extends: resolve('tsconfig.json'),
    compilerOptions: { isolatedDeclarations: false, declaration: false, ...options },
    include: ['**/*'],
  };
  writeFile(join(directory, 'tsconfig.json'), JSON.stringify(config));
  await prepare?.(directory);
  const tsc = [resolve('node_modules/typescript/bin/tsc'), '--pretty', 'false', '--project', '.'];
  const { ok, stdout, stderr } = await runCommand(process.execPath, compiler ?? tsc, directory);
  return ok ? '' : stdout + stderr;
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly name: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, { readonly default?: string }>>;
};

/** What a Worker's configuration says of its Durable Objects. */
interface WorkerConfig {
  readonly durable_objects?: { readonly bindings: readonly { readonly class_name: string }[] };
  readonly migrations?: readonly { readonly new_sqlite_classes: readonly string[] }[];
}

/** How a block is looked at that no compiler has, by its language. */
const checks: Readonly<Record<string, (block: Block) => void>> = {
  json: ({ code }) => void JSON.parse(code),
  jsonc: ({ code, page }) => {
    const config = json5.parse<WorkerConfig>(code);
    const classes = config.durable_objects?.bindings.map(({ class_name }) => class_name) ?? [];
    expect(config.migrations?.flatMap(({ new_sqlite_classes }) => new_sqlite_classes) ?? []).toEqual(classes);
    const ours = blocks.filter((block) => block.page === page && block.language === 'ts').map((block) => block.code);
    for (const name of classes) expect(ours.join()).toMatch(new RegExp(`^export \\{ ${name} \\}`, 'm'));
  },
  http: ({ code }) => expect(code.trim().split('\n').map(badHeader).filter(Boolean)).toEqual([]),
  html: ({ code }) => expect(scriptsOf(code, 'importmap').flatMap(badImports)).toEqual([]),
  sh: ({ code, page }) => {
    const commands = code.trim().split('\n').flatMap(commandsOf);
    expect(commands.filter((command) => !canRun(command, page))).toEqual([]);
  },
  promql: ({ page }) => {
    // Prometheus is asked them.
    expect(readFileSync('test/otel/prometheus.node.test.ts', 'utf8')).toContain(`'${page}.md'`);
  },
};
// What is shown, and not run: pictures, messages, output.
const shown = ['', 'text'];

test('every block is in a language that is looked at here', () => {
  const compiled = new Set(programs.flatMap((program) => program.blocks));
  const unknown = blocks.filter((block) => {
    const { language } = block;
    return !compiled.has(block) && !(language in checks) && !shown.includes(language);
  });
  expect(unknown).toEqual([]);
  const fences = pages.flatMap((page) => readFileSync(page, 'utf8').match(/^\s*(?:```|~~~)/gm) ?? []);
  expect(fences).toHaveLength(2 * blocks.length);
  expect(Object.keys(before).filter((start) => !blocks.some((block) => startOf(block) === start))).toEqual([]);
});

test.for(blocks.filter(({ language }) => language in checks).map((block, index) => ({ index, ...block })))(
  '$page: its $language is what it should be ($index)',
  (block) => checks[block.language]?.(block),
);

test('the pages name commands that there are', () => {
  const named = pages.flatMap((path) =>
    Array.from(
      readFileSync(path, 'utf8').matchAll(/`((?:npm (?:install|run|start|test)|(?:npx|node|bun|deno) )[^`\n]*)`/g),
      ([, command = '']) => ({ command, page: path.replace(/\.md$/, '') }),
    ),
  );
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter(({ command, page }) => !canRun(command, page))).toEqual([]);
});

/** What is no field of HTTP. */
function badHeader(line: string): string | undefined {
  const [, name = '', value = ''] = /^([^:\s]+): (.+)$/.exec(line) ?? [];
  try {
    new Headers([[name, value]]);
    return undefined;
  } catch {
    return line;
  }
}

/** What an import map has otherwise than the package. */
function badImports(json: string): readonly string[] {
  const { imports } = JSON.parse(json) as { imports: Readonly<Record<string, string>> };
  return Object.entries(imports)
    .filter(([name, url]) => {
      const entry = manifest.exports[name.replace(manifest.name, '.')]?.default ?? '?';
      return url !== `/node_modules/${manifest.name}/${entry.slice('./'.length)}` || !existsSync(entry);
    })
    .map(([name]) => name);
}

/** The commands of a line of a shell: that which is run, and, where its comment has any, those in its place. */
function commandsOf(line: string): readonly string[] {
  const [command = '', comment = ''] = line.split(/\s+#\s+/);
  return [command, ...(/^(?:bun|deno|npm|npx|node) /.test(comment) ? comment.split(' · ') : [])];
}

function canRun(command: string, page: string): boolean {
  const [program = '', verb = '', ...rest] = command.split(' ');
  if (program === 'npm' && ['start', 'test'].includes(verb)) return verb in manifest.scripts;
  if (program === 'npm' && verb === 'run') return rest[0] !== undefined && rest[0] in manifest.scripts;
  if (verb === 'install' || verb === 'add')
    return rest.length > 0 && rest.every((name) => isPackage(name.replace(/^npm:/, '')));
  if (program === 'npx') return existsSync(`node_modules/.bin/${verb}`);
  const file = [verb, ...rest].at(-1);
  return (
    ['node', 'bun', 'deno'].includes(program) && blocks.some((block) => block.page === page && block.file === file)
  );
}

function isPackage(name: string): boolean {
  return name === manifest.name || existsSync(`node_modules/${name}/package.json`);
}

/** The scripts of a piece of HTML, of one type. */
function scriptsOf(html: string, type: string): readonly string[] {
  const { children } = parseHtml(html, {
    parseMode: 'html',
    isCustomElement: (tag) => tag.includes('-'),
    onError: (error) => {
      throw error;
    },
  });
  return children
    .filter((node): node is ElementNode => node.type === NodeTypes.ELEMENT && node.tag === 'script')
    .filter(({ props }) =>
      props.some((prop) => prop.type === NodeTypes.ATTRIBUTE && prop.name === 'type' && prop.value?.content === type),
    )
    .map(({ children: [text] }) => (text?.type === NodeTypes.TEXT ? text.content : ''));
}
