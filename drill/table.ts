/** A row of texts, or a rule across the table. */
export type Row = readonly string[] | 'rule';

const GAP = '  ';

/** Lays out rows in columns as wide as they need; the first is flush left, the others right. */
export function table(rows: readonly Row[]): readonly string[] {
  const texts = rows.filter((row) => row !== 'rule');
  const columns = Math.max(0, ...texts.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...texts.map((row) => row[column]?.length ?? 0)),
  );
  const totalWidth = widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length);
  return rows.map((row) => (row === 'rule' ? '─'.repeat(Math.max(0, totalWidth)) : line(row, widths)));
}

function line(row: readonly string[], widths: readonly number[]): string {
  return widths
    .map((width, column) => (column === 0 ? (row[column] ?? '').padEnd(width) : (row[column] ?? '').padStart(width)))
    .join(GAP)
    .trimEnd();
}
