import { circuitInWords } from './story.ts';
import { type Layer, outagesIn, type Span, stripOf } from './strip.ts';
import { REMEMBERED_MS, type Summary, type Tally } from './tally.ts';
import type { Line, World } from './world.ts';

/** One of the two callers. */
export interface Side {
  readonly name: string;
  /** Of the last minute. */
  readonly strip: readonly Layer[];
  /** Of the last ten seconds. */
  readonly summary: Summary;
  /** Calls that have no end yet. */
  readonly waiting: number;
  /** Of its circuit, in words. */
  readonly circuit: string;
}

/** What there is to be seen of a world, at one moment. */
export interface View {
  readonly sides: readonly Side[];
  readonly outages: readonly Span[];
  readonly lines: readonly Line[];
}

const RECENT_MS = 10_000;

export function viewOf(world: World): View {
  const [dependency] = Object.values(world.client.snapshot().dependencies);
  return {
    sides: [
      sideOf('steadfetch', world.steadfetch, circuitInWords(dependency?.breaker)),
      sideOf('bare fetch', world.bare, ''),
    ],
    outages: outagesIn(world.outages, world.clock.now(), REMEMBERED_MS / 1_000),
    lines: world.lines,
  };
}

function sideOf(name: string, tally: Tally, circuit: string): Side {
  return { name, strip: stripOf(tally.seconds()), summary: tally.summary(RECENT_MS), waiting: tally.waiting, circuit };
}
