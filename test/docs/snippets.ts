import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A piece of code in a page. */
export interface Snippet {
  /** The page's path, without its extension: `docs/recipes/ky`. */
  readonly page: string;
  readonly code: string;
}

export interface Block extends Snippet {
  /** As the page names it: `ts`; '' where it names none. */
  readonly language: string;
  /** What its file is called, where its first line is a comment that says so: `src/worker.ts`. */
  readonly file: string | undefined;
}

/** All pages with Markdown of ours. */
export const pages: readonly string[] = [
  'README.md',
  ...globSync(['docs/*.md', 'docs/{guides,recipes,migration}/**/*.md']),
];

export function blocksOf(path: string): readonly Block[] {
  const blocks = readFileSync(path, 'utf8').matchAll(/^```([^\n]*)\n(.*?)^```$/gms);
  const page = path.replace(/\.md$/, '');
  return Array.from(blocks, ([, language = '', code = '']) => {
    const [, file] = /^(?:\/\/|#) ([\w./+-]+\.\w+)\n/.exec(code) ?? [];
    return { page, language, file, code };
  });
}

/** Its blocks of a language, or of several: `js|tsx`. */
export function snippetsOf(path: string, languages = 'ts'): readonly Block[] {
  return blocksOf(path).filter(({ language }) => languages.split('|').includes(language));
}

/** Writes the blocks of a page that begin with the name of their file, and gives the directory. */
export function writeNamedFiles(path: string, directory: string): string {
  const to = emptyDirectory(directory);
  for (const { file, code } of blocksOf(path)) if (file !== undefined) writeFile(join(to, file), code);
  return to;
}

/** Writes a file, and the directories that it is in. */
export function writeFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
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

/** A directory for what a test makes of the pages. */
export function emptyDirectory(name: string): string {
  const path = resolve('test/docs/.work', name);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}
