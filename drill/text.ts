/** A span in the unit that reads best: `0.4 ms`, `62 ms`, `1.25 s`. */
export function span(ms: number | undefined): string {
  if (ms === undefined) return '–';
  if (ms < 1) return `${ms.toFixed(1)} ms`;
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}

/** A share in percent, `decimals` of it behind the point. Never rounded up to all, nor down to nothing. */
export function percent(share: number | undefined, decimals = 0): string {
  if (share === undefined) return '–';
  const step = 1 / 10 ** decimals;
  const rounded = Number((share * 100).toFixed(decimals));
  const shown = share > 0 && share < 1 ? Math.min(100 - step, Math.max(step, rounded)) : rounded;
  return `${shown.toFixed(decimals)} %`;
}

export function ratio(value: number | undefined): string {
  return value === undefined ? '–' : value.toFixed(2);
}

/** Breaks a text at its spaces into lines of at most `width` characters; a number keeps its unit. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(/ (?!%|m?s\b)/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** "a", "a and b", "a, b and c". */
export function list(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}
