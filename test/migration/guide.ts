import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

import { resolveClient } from '../../src/client-options.ts';
import * as steadfetch from '../../src/index.ts';
import { Sentences } from '../docs/sentences.ts';
import { snippetsOf, writeSnippets } from '../docs/snippets.ts';

/** What each snippet of `docs/migration/<name>.md` exports, run as it stands there, one after the other: before, then after. */
export async function* snippets<Exports>(name: string): AsyncGenerator<Exports> {
  for (const path of writeSnippets(`migration-${name}`, snippetsOf(pageOf(name)))) {
    yield (await import(/* @vite-ignore */ pathToFileURL(path).href)) as Exports;
  }
}

/** Of an option whose default the page says in words, which a test of its own holds. */
export const IN_WORDS = Symbol('in words');

/** What each option of another package is when it is left out. */
export type Defaults = Readonly<Record<string, unknown>>;

/**
 * What is wrong with the tables of options of a guide: options of theirs that are not told of, options of ours that there are not,
 * and defaults, on either side, that are others.
 */
export function mistakesIn(name: string, theirs: Defaults): readonly string[] {
  const rows = optionTable(name);
  const told = rows.flatMap((row) => row.theirs);
  const missing = Object.keys(theirs).filter((key) => !told.includes(key));
  return [
    ...missing.map((key) => `${key} has no row`),
    ...rows.flatMap((row) => [...mistakesAboutTheirs(row, theirs), ...mistakesAboutOurs(row, theirs)]),
  ];
}

/**
 * What a guide says, and what no test of its has gone by yet: cells that {@link mistakesIn} looks at are not asked about again,
 * nor those that name an event.
 */
export function sentencesOf(name: string, theirs: Defaults): Sentences & { readonly left: () => readonly string[] } {
  const page = new Sentences(pageOf(name));
  const looked = new Set(
    optionTable(name).flatMap(({ theirs: [only = '', ...more], theirDefault, ourDefault }) =>
      more.length === 0 && theirs[only] === IN_WORDS ? [ourDefault] : [theirDefault, ourDefault],
    ),
  );
  const isLooked = (words: string): boolean => looked.has(bare(words)) || NAMES.test(words);
  return Object.assign(page, { left: () => page.unheld(isLooked) });
}

/** What only names what is beside it: an event, the code that follows, the versions (which `index.node.test.ts` looks at). */
const NAMES = /^`client\.subscribe\(\)`: the events? `\w+`(?: and `\w+`)?$|^(?:Before|After):$|^Checked against [^;]*$/;

/** Names that the tables and the text of a guide tell of as code. */
export function codeIn(name: string): readonly string[] {
  return codeOf(readFileSync(pageOf(name), 'utf8').replace(/^```.*?^```/gms, ''));
}

/** The names of the members that a declaration file gives an interface, or an object type. */
export function membersOf(file: string, type: string): readonly string[] {
  return declarationsOf(file, type).map(([name]) => name);
}

/** Those of them that have no question mark. */
export function requiredOf(file: string, type: string): readonly string[] {
  return declarationsOf(file, type).flatMap(([name, mark]) => (mark === '' ? [name] : []));
}

function declarationsOf(file: string, type: string): readonly (readonly [name: string, mark: string])[] {
  const source = readSource(file)
    .replace(/\/\*.*?\*\//gs, '')
    .replace(/\/\/.*$/gm, '');
  const start = new RegExp(`(?:interface|type) ${type}\\b[^{]*\\{`).exec(source);
  if (start === null) throw new Error(`${file} has no ${type}`);
  const found: [string, string][] = [];
  let depth = 0;
  let statement = '';
  for (const character of source.slice(start.index + start[0].length)) {
    if (character === '}' && depth === 0) return found;
    if ('({<['.includes(character)) depth += 1;
    if (')}]'.includes(character) || (character === '>' && !statement.endsWith('='))) depth -= 1;
    statement += character;
    if (depth > 0 || character !== ';') continue;
    const [, name, mark = ''] = /^\s*(?:readonly\s+)?(\w+)(\??)\s*[:(<]/.exec(statement) ?? [];
    if (name !== undefined) found.push([name, mark]);
    statement = '';
  }
  throw new Error(`${type} in ${file} does not end`);
}

/** The text of a file of a package: `p-retry/index.js`, say. */
export function readSource(file: string): string {
  return readFileSync(`node_modules/${file}`, 'utf8');
}

interface Row {
  readonly theirs: readonly string[];
  readonly theirDefault: string;
  readonly ours: string;
  readonly ourDefault: string;
}

function optionTable(name: string): readonly Row[] {
  const tables = readFileSync(pageOf(name), 'utf8').matchAll(
    /^\| [^|]* \| default \| steadfetch \| default \|\n\|(?:---\|){4}\n((?:\|.*\n)+)/gm,
  );
  const lines = Array.from(tables, ([, body = '']) => body.trimEnd().split('\n')).flat();
  return lines.map((line) => {
    const [theirs = '', theirDefault = '', ours = '', ourDefault = ''] = line
      .slice(2, -2)
      .split(/(?<!\\) ?\| /)
      .map((cell) => cell.replaceAll('\\|', '|').trim());
    return { theirs: codeOf(theirs), theirDefault: bare(theirDefault), ours, ourDefault: bare(ourDefault) };
  });
}

function mistakesAboutTheirs({ theirs, theirDefault }: Row, defaults: Defaults): readonly string[] {
  const [only = ''] = theirs;
  const unknown = theirs.filter((name) => !(name in defaults)).map((name) => `${name} is no option of theirs`);
  const fallback = theirs.length === 1 ? defaults[only] : undefined;
  if (unknown.length > 0 || fallback === IN_WORDS || theirDefault === show(fallback)) return unknown;
  return [`${only} is ${show(fallback)} by default, not ${theirDefault}`];
}

function mistakesAboutOurs({ theirs, ours: text, ourDefault }: Row, defaultsOfTheirs: Defaults): readonly string[] {
  // What looks like a name, alone or with a value: not `Retry-After`, say.
  const names = codeOf(text).flatMap((code) => /^([a-zA-Z]\w*(?:\.\w+)*)(?:\(.*\)|: .*)?$/.exec(code)?.[1] ?? []);
  const [first = ''] = names;
  const mistakes = names
    .filter((name) => !ours.has(name) && !(name in defaultsOfTheirs) && !isGlobal(name))
    .map((name) => `${name} is no option of ours`);
  const expected = show(/^none\b/.test(text) ? undefined : ourDefaultOf(first));
  if (ourDefault !== expected) mistakes.push(`${first} is ${expected} by default, not ${ourDefault}`);
  if (text === '') mistakes.push(`${theirs} has nothing beside it`);
  return mistakes;
}

const groups = ['', 'bulkhead.', 'breaker.', 'breaker.window.', 'retry.', 'retry.budget.', 'hedge.', 'fallback.'];

/** Every option of `createClient`, as the error about one that it has not lists them. */
const options: readonly string[] = groups.flatMap((group) => {
  const path = group.split('.').slice(0, -1);
  const wrong = path.reduceRight<object>((inner, key) => ({ [key]: inner }), { nonsense: 1 });
  try {
    steadfetch.createClient(wrong);
  } catch (error) {
    return (/there are (.*)$/.exec(String(error))?.[1]?.split(', ') ?? []).map((key) => `${group}${key}`);
  }
  throw new Error(`createClient took nonsense in ${group}`);
});

const ofCalls = [
  'signal',
  'deadlineMs',
  'deadline',
  'attemptTimeoutMs',
  'retry',
  'hedge',
  'idempotent',
  'fallback',
  'partition',
] satisfies readonly (keyof steadfetch.FetchInit)[];

const eventTypes = [
  'attempt',
  'retry',
  'transition',
  'rejected',
  'queued',
  'fallback',
  'completed',
] satisfies readonly steadfetch.SteadEvent['type'][];

const ofSnapshots = ['running', 'queued', 'breaker'] satisfies readonly (keyof steadfetch.DependencySnapshot)[];

const client: object = steadfetch.createClient();
const ours = new Set([
  ...options,
  ...ofCalls.map((key) => `init.${key}`),
  ...Object.keys(client).map((key) => `client.${key}`),
  ...Object.keys(steadfetch),
  ...eventTypes,
  ...ofSnapshots,
  ...Object.getOwnPropertyNames(steadfetch.CircuitBreaker.prototype).map((key) => `CircuitBreaker.${key}`),
]);

function isGlobal(name: string): boolean {
  return name.split('.').reduce<unknown>((at, key) => Reflect.get(Object(at), key), globalThis) !== undefined;
}

const settings = resolveClient({ breaker: { window: { durationMs: 1_000 } }, fallback: { coalesce: true } });
const fallback = settings.fallback === false ? undefined : settings.fallback;
const defaults: object = {
  ...settings,
  ...settings.limits,
  fallback: { ...fallback, ...fallback?.rules.limits, coalesce: false },
};

function ourDefaultOf(path: string): unknown {
  return path.split('.').reduce<unknown>((at, key) => Reflect.get(Object(at), key), defaults);
}

/** A default as a table shows it. */
function show(value: unknown): string {
  if (typeof value === 'number') return Number.isFinite(value) ? value.toLocaleString('en') : String(value);
  if (typeof value === 'string' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value) || value instanceof Set) return [...value].join(', ');
  return '–';
}

function bare(cell: string): string {
  return cell.replaceAll(/[`"]/g, '');
}

function codeOf(text: string): readonly string[] {
  return Array.from(text.matchAll(/`([^`]+)`/g), ([, code = '']) => code);
}

function pageOf(name: string): string {
  return `docs/migration/${name}.md`;
}
