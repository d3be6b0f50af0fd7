/** A share of calls: `98 %`. */
export function percentInWords(count: number, calls: number): string {
  if (count === 0) return '0 %';
  const percent = (100 * count) / calls;
  // Neither is all or nothing said of what is not.
  if (count < calls && percent > 99) return 'over 99 %';
  return percent < 1 ? 'under 1 %' : `${Math.round(percent)} %`;
}

/** How long somebody waited: `0 ms`, `87 ms`, `2.3 s`, `48 s`. */
export function waitInWords(ms: number | undefined): string {
  if (ms === undefined) return '–';
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  return ms < 9_950 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 1_000)} s`;
}

/** How long the world has been there: `2:07`. */
export function timeInWords(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
