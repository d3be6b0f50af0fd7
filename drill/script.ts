/** How the upstream behaves. */
export type Conduct =
  /** Answers, after `serviceMs` of a worker's time; every `cutEvery`th answer breaks off in its body. */
  | { readonly kind: 'serve'; readonly serviceMs: number; readonly cutEvery?: number }
  /** Answers 503 at once, with a Retry-After that ends when the phase does. */
  | { readonly kind: 'refuse' }
  /** Accepts requests and never answers. */
  | { readonly kind: 'hang' }
  /** Listens to nobody. */
  | { readonly kind: 'down' };

export interface Phase {
  /** Short enough to stand above a column. */
  readonly label: string;
  readonly story: string;
  readonly lastsMs: number;
  readonly conduct: Conduct;
}

/** A phase with its place in the script. */
export interface TimedPhase extends Phase {
  readonly startsAt: number;
  readonly endsAt: number;
}

/** The upstream's workers, and the requests that may wait for one; more are answered 503. */
export const WORKERS = 4;
export const MAX_QUEUED = 200;

/** Calls per second, from each contender. */
export const RATE_PER_SECOND = 30;

const HEALTHY_MS = 60;
const SLOW_MS = 240;
const COLD_MS = 200;

/** Requests per second that the upstream can answer. */
export function capacityPerSecond(serviceMs: number): number {
  return Math.floor((WORKERS * 1_000) / serviceMs);
}

const roomFor = (serviceMs: number): string =>
  `answers in ${serviceMs} ms, has room for ${capacityPerSecond(serviceMs)} requests/s`;

/** The outage. Each phase is a failure mode from the table in the README; the load stays the same throughout. */
export const OUTAGE: readonly Phase[] = [
  { label: 'ok', story: roomFor(HEALTHY_MS), lastsMs: 3_000, conduct: { kind: 'serve', serviceMs: HEALTHY_MS } },
  { label: 'slow', story: roomFor(SLOW_MS), lastsMs: 5_000, conduct: { kind: 'serve', serviceMs: SLOW_MS } },
  { label: '503', story: 'answers 503, with a Retry-After that is true', lastsMs: 4_000, conduct: { kind: 'refuse' } },
  {
    label: 'cut',
    story: 'drops every third connection in the middle of the body',
    lastsMs: 4_000,
    conduct: { kind: 'serve', serviceMs: HEALTHY_MS, cutEvery: 3 },
  },
  { label: 'hang', story: 'accepts requests and never answers', lastsMs: 3_500, conduct: { kind: 'hang' } },
  { label: 'down', story: 'refuses connections', lastsMs: 3_000, conduct: { kind: 'down' } },
  {
    label: 'recover',
    story: `is back, cold: ${roomFor(COLD_MS)}`,
    lastsMs: 6_000,
    conduct: { kind: 'serve', serviceMs: COLD_MS },
  },
  { label: 'healed', story: roomFor(HEALTHY_MS), lastsMs: 4_000, conduct: { kind: 'serve', serviceMs: HEALTHY_MS } },
];

/** The script on a time axis, squeezed to `totalMs`. Only the phases change their length: no timeout does. */
export function timed(phases: readonly Phase[], totalMs: number = lengthMs(phases)): readonly TimedPhase[] {
  const scale = totalMs / lengthMs(phases);
  let startsAt = 0;
  return phases.map((phase) => {
    const lastsMs = phase.lastsMs * scale;
    const placed = { ...phase, lastsMs, startsAt, endsAt: startsAt + lastsMs };
    startsAt = placed.endsAt;
    return placed;
  });
}

export function lengthMs(phases: readonly Phase[]): number {
  return phases.reduce((sum, { lastsMs }) => sum + lastsMs, 0);
}

/** The number of the phase that `atMs` falls in; before the first it is the first, after the last the last. */
export function phaseAt(phases: readonly TimedPhase[], atMs: number): number {
  const index = phases.findIndex(({ endsAt }) => atMs < endsAt);
  return index === -1 ? phases.length - 1 : index;
}

/** When the upstream is back: the start of the first phase after the last in which nobody can be served. */
export function recoveredAt(phases: readonly TimedPhase[]): number {
  const lastOut = phases.findLastIndex(({ conduct }) => conduct.kind !== 'serve');
  return phases[lastOut + 1]?.startsAt ?? Infinity;
}
