import { readFileSync } from 'node:fs';

/** The words of a page, and which of its sentences, cells of tables included, a test goes by. */
export class Sentences {
  readonly text: string;
  readonly #page: string;
  readonly #held: RegExpExecArray[] = [];

  /** @param section Of the page, by its heading. Default: all of it. */
  constructor(page: string, section?: string) {
    this.#page = page;
    this.text = linesOf(sectionOf(readFileSync(page, 'utf8'), section)).join('\n');
    if (this.text === '') throw new Error(`${page} has no section "${section}"`);
  }

  /**
   * Of a sentence, or a part of one, that a test holds, wherever it stands: the groups of its pattern.
   *
   * @throws Error if the page does not say so.
   */
  says(pattern: RegExp): readonly string[] {
    const matches = Array.from(this.text.matchAll(new RegExp(pattern, `${pattern.flags}g`)));
    const [first] = matches;
    if (first === undefined) throw new Error(`${this.#page} does not say ${pattern}`);
    this.#held.push(...matches);
    return first.slice(1);
  }

  /** What no test has gone by so far, but for what others hold. */
  unheld(isHeld: (words: string) => boolean = () => false): readonly string[] {
    return Array.from(this.text.matchAll(SENTENCE))
      .filter(({ index, 0: words }) => isClaim(words) && !isHeld(words) && !this.#isHeld(index, index + words.length))
      .map(([words]) => words);
  }

  /** All groups so far. */
  get figures(): readonly string[] {
    return this.#held.flatMap((match) => match.slice(1));
  }

  #isHeld(from: number, to: number): boolean {
    return this.#held.some(({ index, 0: words }) => index < to && index + words.length > from);
  }
}

const SENTENCE = /\S.*?(?:\.[*)]*(?= [A-Z`*([!])|$)/gm;

/** Whether there is anything in it but names, headings, and what only points to somewhere. */
function isClaim(words: string): boolean {
  const bare = words
    .replace(/^\*\*[^*]*\*\*$/, '')
    .replace(/^\(.*\)$/, '')
    .replaceAll(/`[^`]*`/g, '')
    .replace(/^none$/, '');
  return /[a-z]/i.test(bare);
}

function sectionOf(page: string, section: string | undefined): string {
  if (section === undefined) return page;
  const [, after = ''] = page.split(`\n## ${section}\n`);
  return after.split(/^## /m)[0] ?? '';
}

/** Each paragraph, item of a list and cell of a table on a line of its own, without code, headings and heads of tables. */
function linesOf(markdown: string): readonly string[] {
  return markdown
    .replaceAll(/^```.*?^```$/gms, '')
    .replaceAll(/^\|.*\|\n\|[-|]+\|$/gm, '')
    .split(/\n{2,}|\n(?=- |\|)/)
    .map((block) => block.trim().replaceAll(/\s*\n\s*/g, ' '))
    .filter((block) => block !== '' && !block.startsWith('#'))
    .flatMap((block) => (block.startsWith('|') ? cellsOf(block) : [block.replace(/^- /, '')]));
}

function cellsOf(row: string): readonly string[] {
  return row
    .replaceAll(/^\||\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}
