import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A piece of TypeScript in a page. */
export interface Snippet {
  /** The page's path, without its extension: `docs/recipes/ky`. */
  readonly page: string;
  readonly code: string;
}

/** All pages with Markdown of ours. */
export const pages: readonly string[] = [
  'README.md',
  ...globSync(['docs/*.md', 'docs/{guides,recipes,migration}/**/*.md']),
];

/** Its blocks of a language, or of several: `js|tsx`. */
export function snippetsOf(path: string, languages = 'ts'): readonly Snippet[] {
  const blocks = readFileSync(path, 'utf8').matchAll(
    new RegExp(`^\`\`\`(?:${languages})\\b[^\\n]*\\n(.*?)^\`\`\``, 'gms'),
  );
  return Array.from(blocks, ([, code = '']) => ({ page: path.replace(/\.md$/, ''), code }));
}

/** Writes the blocks of a page that begin with the name of their file, as a comment, and gives the directory. */
export function writeNamedFiles(path: string, directory: string): string {
  const to = emptyDirectory(directory);
  const blocks = readFileSync(path, 'utf8').matchAll(/^```\w+\n(?:\/\/|#) ([\w./-]+\.\w+)\n(.*?)^```/gms);
  for (const [, name = '', code = ''] of blocks) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    writeFileSync(join(to, name), code);
  }
  return to;
}

/** Writes snippets as files of their own, where they find the packages that a user of theirs would have, and this one. */
export function writeSnippets(directory: string, snippets: readonly Snippet[]): readonly string[] {
  const to = emptyDirectory(directory);
  return snippets.map(({ page, code }, index) => {
    const path = join(to, `${page.replaceAll(/[^\w.-]/g, '-')}-${index + 1}.ts`);
    writeFileSync(path, code);
    return path;
  });
}

/** What a snippet exports, run as it stands there. */
export async function load<Exports>(directory: string, snippet: Snippet | undefined): Promise<Exports> {
  const [path = ''] = writeSnippets(directory, snippet === undefined ? [] : [snippet]);
  return (await import(/* @vite-ignore */ pathToFileURL(path).href)) as Exports;
}

/** What the snippet of `docs/recipes/<name>.md` exports. */
export function recipe<Exports>(name: string): Promise<Exports> {
  const [snippet] = snippetsOf(`docs/recipes/${name}.md`);
  return load(`recipe-${name}`, snippet);
}

function emptyDirectory(name: string): string {
  const path = resolve('test/docs/.work', name);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}
