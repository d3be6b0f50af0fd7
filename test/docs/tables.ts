import { readFileSync } from 'node:fs';

/** A table of a page. */
export interface Table {
  /** The heading it stands under. */
  readonly section: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** All tables of a page, in their order. */
export function tablesOf(path: string): readonly Table[] {
  const tables: Table[] = [];
  let section = '';
  for (const block of readFileSync(path, 'utf8').split(/\n{2,}/)) {
    const lines = block.trim().split('\n');
    if (lines[0]?.startsWith('#')) section = lines[0].replace(/^#+ /, '');
    if (!lines[0]?.startsWith('|')) continue;
    const [header = [], , ...rows] = lines.map(cellsOf);
    tables.push({ section, header, rows });
  }
  return tables;
}

/** The table under a heading whose first column has that name. @throws Error if there is none. */
export function tableOf(path: string, section: string, first?: string): Table {
  const found = tablesOf(path).find(
    (table) => table.section === section && (first === undefined || table.header[0] === first),
  );
  if (found === undefined) throw new Error(`${path} has no such table under "${section}"`);
  return found;
}

function cellsOf(line: string): string[] {
  return line
    .replace(/^\|/, '')
    .replace(/\|\s*$/, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}
