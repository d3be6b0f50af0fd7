import type { CircuitState } from '../model/circuit.ts';
import type { Mark } from './mark.ts';
import type { Track } from './track.ts';

/** What is drawn, as numbers: pixels from the top left corner. */
export interface Picture {
  /** Where the circuit was in a state that is known. */
  readonly bands: readonly Band[];
  /** Before this, attempts were dropped to make room; `undefined` if none of this picture were. */
  readonly droppedUntil: number | undefined;
  /** Oldest first. */
  readonly marks: readonly PlacedMark[];
  readonly times: readonly { readonly x: number; readonly text: string }[];
}

export interface Band {
  readonly state: CircuitState;
  readonly x: number;
  readonly width: number;
}

export interface PlacedMark {
  readonly mark: Mark;
  readonly x: number;
  readonly y: number;
}

// Left of what is drawn stand the names of the lanes.
export const GUTTER = 62;
const RIGHT = 10;
export const HEIGHT = 236;
export const CIRCUIT = { top: 6, height: 16 } as const;
export const LATENCY = { top: 34, height: 124 } as const;
export const REFUSED_Y = 180;
export const INSTEAD_Y = 200;
export const FOOT_Y = 214;

/** What the axis of latency reaches from, and to. What is outside is drawn at its ends. */
const LEAST_MS = 1;
const MOST_MS = 20_000;
/** Where the axis has its lines. */
export const GRID_MS: readonly number[] = [1, 10, 100, 1_000, 10_000];

/** By orders of magnitude: what takes 5 ms and what takes 5 s are both to be seen. */
export function latencyY(ms: number): number {
  const share = Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / Math.log(MOST_MS / LEAST_MS);
  return LATENCY.top + LATENCY.height * (1 - Math.min(1, share));
}

/** Where an instant is drawn in a picture that is `width` wide and ends `now`. */
export function timeX(at: number, now: number, spanMs: number, width: number): number {
  const share = Math.min(1, Math.max(0, 1 - (now - at) / spanMs));
  return GUTTER + share * (width - GUTTER - RIGHT);
}

export function pictureOf(track: Track | undefined, now: number, spanMs: number, width: number): Picture {
  const from = now - spanMs;
  const x = (at: number): number => timeX(at, now, spanMs, width);
  const dropped = track?.droppedUntil ?? -Infinity;
  return {
    bands: (track?.states(from, now) ?? []).map((span) => ({
      state: span.state,
      x: x(span.from),
      // However short it was, it was.
      width: Math.max(1, x(span.to) - x(span.from)),
    })),
    droppedUntil: dropped > from && dropped <= now ? x(dropped) : undefined,
    marks: (track?.marks ?? []).flatMap((mark) =>
      mark.at < from || mark.at > now ? [] : [{ mark, x: x(mark.at), y: laneY(mark) }],
    ),
    times: ticks(spanMs, width).map(({ agoMs, text }) => ({ x: x(now - agoMs), text })),
  };
}

function laneY(mark: Mark): number {
  if (mark.kind === 'attempt') return latencyY(mark.durationMs);
  return mark.kind === 'refused' ? REFUSED_Y : INSTEAD_Y;
}

const STEPS_MS: readonly number[] = [5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000];
const LABEL_WIDTH = 68;

/** Where the axis of time says how long ago that is. */
function ticks(spanMs: number, width: number): { readonly agoMs: number; readonly text: string }[] {
  const room = Math.max(1, (width - GUTTER - RIGHT) / LABEL_WIDTH);
  const stepMs = STEPS_MS.find((each) => spanMs / each <= room) ?? spanMs;
  const found = [{ agoMs: 0, text: 'now' }];
  for (let agoMs = stepMs; agoMs <= spanMs; agoMs += stepMs) found.push({ agoMs, text: ago(agoMs, stepMs, spanMs) });
  return found;
}

/** In one unit along an axis: `−90 s`, `−4 min`, `−3:30`. */
function ago(agoMs: number, stepMs: number, spanMs: number): string {
  const seconds = agoMs / 1_000;
  if (spanMs <= 120_000) return `−${seconds} s`;
  if (stepMs % 60_000 === 0) return `−${seconds / 60} min`;
  return `−${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** The outlines of each kind of mark: one path for all of a kind is what keeps a picture of thousands cheap. */
export type Outlines = Readonly<Record<OutlineName, string>>;
export type OutlineName = (typeof OUTLINE_NAMES)[number];
export const OUTLINE_NAMES = [
  'closed',
  'half-open',
  'open',
  'answered',
  'ignored',
  'failed',
  'retried',
  'refused',
  'stored',
  'degraded',
  'default',
] as const;

export function outlinesOf({ bands, marks }: Picture): Outlines {
  const outlines = Object.fromEntries(OUTLINE_NAMES.map((name) => [name, ''])) as Record<OutlineName, string>;
  for (const band of bands) outlines[band.state] += bandOutline(band);
  for (const { mark, x, y } of marks) {
    if (mark.kind === 'attempt') {
      if (mark.outcome === 'failure') outlines.failed += cross(x, y);
      else outlines[mark.outcome === 'success' ? 'answered' : 'ignored'] += circle(x, y, 2.7);
      if (mark.attempt > 1) outlines.retried += circle(x, y, 6);
    } else if (mark.kind === 'refused') outlines.refused += `M${round(x)} ${y - 5}v10`;
    else if (mark.kind === 'default') outlines.default += diamond(x, y);
    else outlines[mark.reason === undefined ? 'stored' : 'degraded'] += square(x, y);
  }
  return outlines;
}

/** Told apart by their height: a line for closed, half of the band for half-open, all of it for open. */
function bandOutline({ state, x, width }: Band): string {
  const heights: Readonly<Record<CircuitState, number>> = {
    closed: 3,
    'half-open': CIRCUIT.height / 2,
    open: CIRCUIT.height,
  };
  const height = heights[state];
  return `M${round(x)} ${CIRCUIT.top + CIRCUIT.height - height}h${round(width)}v${height}h${round(-width)}z`;
}

function circle(x: number, y: number, r: number): string {
  return `M${round(x - r)} ${round(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
}

function cross(x: number, y: number): string {
  return `M${round(x - 3.5)} ${round(y - 3.5)}l7 7m-7 0l7-7`;
}

function square(x: number, y: number): string {
  return `M${round(x - 3)} ${y - 3}h6v6h-6z`;
}

function diamond(x: number, y: number): string {
  return `M${round(x)} ${y - 4.5}l4.5 4.5l-4.5 4.5l-4.5-4.5z`;
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}
