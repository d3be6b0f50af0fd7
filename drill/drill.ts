import { setTimeout as pause } from 'node:timers/promises';

import { bareFetch, type Contender, naiveRetry, steadfetch } from './contenders.ts';
import { steadyLoad, until } from './load.ts';
import { type CircuitMark, type DrillRecord, endsAt, type Track } from './record.ts';
import { phaseAt, RATE_PER_SECOND, type TimedPhase } from './script.ts';
import { startUpstream, type Upstream } from './upstream-process.ts';
import type { View } from './view.ts';

/** How long calls still under way at the end are waited for: longer than any contender's own limits. */
export const DRAIN_MS = 3_500;
const SAMPLE_EVERY_MS = 100;

/** One caller and the upstream that it has to itself. */
interface Lane {
  readonly contender: Contender;
  readonly upstream: Upstream;
  readonly track: Track;
}

/** Takes three callers through the outage, side by side. Rejects if an upstream breaks or `signal` aborts. */
export async function runDrill(
  phases: readonly TimedPhase[],
  view: View<DrillRecord>,
  signal: AbortSignal,
): Promise<DrillRecord> {
  let startedAt = performance.now();
  const elapsedMs = (): number => performance.now() - startedAt;
  const circuit: CircuitMark[] = [{ at: 0, state: 'closed' }];
  const contenders = [bareFetch, naiveRetry, steadfetch((state) => circuit.push({ at: elapsedMs(), state }))];
  const lanes: Lane[] = [];
  try {
    for (const contender of contenders) {
      const track = { name: contender.name, calls: [], seen: [], seenByPhase: [] };
      lanes.push({ contender, track, upstream: await startUpstream() });
    }
    await enter(lanes, phases, 0);
    startedAt = performance.now();
    const tracks = lanes.map(({ track }) => track);
    const record: DrillRecord = { phases, ratePerSecond: RATE_PER_SECOND, tracks, circuit, latestMs: 0 };
    await play(lanes, record, view, elapsedMs, signal);
    await count(lanes, record, elapsedMs());
    return record;
  } finally {
    for (const { upstream } of lanes) upstream.close();
    await Promise.all(contenders.map(async (contender) => contender.close?.()));
  }
}

async function play(
  lanes: readonly Lane[],
  record: DrillRecord,
  view: View<DrillRecord>,
  elapsedMs: () => number,
  signal: AbortSignal,
): Promise<void> {
  // Whatever ends the drill early ends all of it.
  const stop = new AbortController();
  const running = AbortSignal.any([signal, stop.signal]);
  view.begin(record, elapsedMs);
  const watch = setInterval(() => sample(lanes, elapsedMs()), SAMPLE_EVERY_MS);
  try {
    const script = playScript(lanes, record.phases, view, elapsedMs, running);
    const load = applyLoad(lanes, record, elapsedMs, running);
    await Promise.race([Promise.all([script, load]), ...lanes.map(({ upstream }) => upstream.failed)]);
  } finally {
    stop.abort();
    clearInterval(watch);
    view.end();
  }
}

/** Asks the upstreams what they saw in all. */
async function count(lanes: readonly Lane[], { phases }: DrillRecord, at: number): Promise<void> {
  for (const { track, upstream } of lanes) {
    const seen = await upstream.report();
    track.seenByPhase = phases.map((_, phase) => seen.byPhase[phase] ?? 0);
    track.seen.push({ at, total: seen.total });
  }
}

async function enter(lanes: readonly Lane[], phases: readonly TimedPhase[], index: number): Promise<void> {
  const phase = phases[index];
  if (phase !== undefined) await Promise.all(lanes.map(({ upstream }) => upstream.enter(index, phase)));
}

async function playScript(
  lanes: readonly Lane[],
  phases: readonly TimedPhase[],
  view: View<DrillRecord>,
  elapsedMs: () => number,
  signal: AbortSignal,
): Promise<void> {
  for (const [index, { startsAt }] of phases.entries()) {
    await until(startsAt, elapsedMs, signal);
    if (index > 0) await enter(lanes, phases, index);
    view.enter?.(index);
  }
}

async function applyLoad(
  lanes: readonly Lane[],
  record: DrillRecord,
  elapsedMs: () => number,
  signal: AbortSignal,
): Promise<void> {
  const lastsMs = endsAt(record);
  const over = pause(lastsMs + DRAIN_MS, undefined, { ref: false, signal }).catch(() => {});
  const observed: Promise<void>[] = [];
  await steadyLoad(
    record.ratePerSecond,
    lastsMs,
    elapsedMs,
    (number, lateMs) => {
      record.latestMs = Math.max(record.latestMs, lateMs);
      // Each in turn goes first.
      const first = number % lanes.length;
      for (const lane of [...lanes.slice(first), ...lanes.slice(0, first)]) {
        observed.push(observe(lane, record.phases, elapsedMs, over));
      }
    },
    signal,
  );
  await Promise.all(observed);
  await until(lastsMs, elapsedMs, signal);
}

async function observe(
  { contender, upstream, track }: Lane,
  phases: readonly TimedPhase[],
  elapsedMs: () => number,
  over: Promise<void>,
): Promise<void> {
  const startedAt = elapsedMs();
  const call = contender.call(upstream.urlFor(phaseAt(phases, startedAt))).then(
    () => true,
    () => false,
  );
  const answered = await Promise.race([call, over.then(() => false)]);
  track.calls.push({ startedAt, endedAt: elapsedMs(), answered });
}

function sample(lanes: readonly Lane[], at: number): void {
  for (const { track, upstream } of lanes) track.seen.push({ at, total: upstream.seen.total });
}
