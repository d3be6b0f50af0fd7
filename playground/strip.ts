import { type Counts, type Fate, fates } from './tally.ts';
import type { Outage } from './world.ts';

/** What of a drawing stands for one fate. */
export interface Layer {
  readonly fate: Fate;
  /** An SVG path. */
  readonly d: string;
}

/**
 * Draws what became of each second's calls: a column that is 1 wide and 1 high, with a share for each of the {@link fates}, the
 * first at the bottom.
 */
export function stripOf(seconds: readonly Counts[]): readonly Layer[] {
  const rectangles = new Map<Fate, string>();
  for (const [x, counts] of seconds.entries()) {
    const calls = fates.reduce((sum, fate) => sum + counts[fate], 0);
    let below = 0;
    for (const fate of fates) {
      if (counts[fate] === 0) continue;
      const height = counts[fate] / calls;
      const top = round(1 - below - height);
      rectangles.set(fate, `${rectangles.get(fate) ?? ''}M${x} ${top}h1v${round(height)}h-1z`);
      below += height;
    }
  }
  return [...rectangles].map(([fate, d]) => ({ fate, d }));
}

/** A part of a drawing: seconds from its left, and how many. */
export interface Span {
  readonly x: number;
  readonly width: number;
}

/** Where the servers were broken, in a drawing of so many seconds. */
export function outagesIn(outages: readonly Outage[], now: number, seconds: number): readonly Span[] {
  const end = Math.floor(now / 1_000) + 1;
  return outages.flatMap(({ from, to = now }) => {
    const left = Math.max(0, from / 1_000 - end + seconds);
    const right = to / 1_000 - end + seconds;
    return right <= left ? [] : [{ x: round(left), width: round(right - left) }];
  });
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
