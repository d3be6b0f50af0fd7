import { createClient } from 'steadfetch';

import { callResult } from './call-result.ts';
import type { EndpointPlan, EndpointRecord } from './endpoint-record.ts';
import { CLIENT_OPTIONS } from './limits.ts';
import { steadyLoad } from './load.ts';
import type { View } from './view.ts';

const SAMPLE_EVERY_MS = 100;

/** Calls an endpoint at a steady rate. An abort of `signal` ends it early, with what is known by then. */
export async function runEndpoint(
  plan: EndpointPlan,
  view: View<EndpointRecord>,
  signal: AbortSignal,
): Promise<EndpointRecord> {
  const startedAt = performance.now();
  const elapsedMs = (): number => performance.now() - startedAt;
  const record: EndpointRecord = {
    plan,
    track: { name: 'your endpoint', calls: [], seen: [], seenByPhase: [] },
    circuit: [{ at: 0, state: 'closed' }],
    results: new Map(),
    requests: 0,
    retries: 0,
    refused: 0,
  };
  const client = createClient({
    ...CLIENT_OPTIONS,
    fetch(input, init) {
      record.requests += 1;
      return fetch(input, init);
    },
  });
  client.subscribe((event) => {
    if (event.type === 'transition') record.circuit.push({ at: elapsedMs(), state: event.to });
    else if (event.type === 'retry') record.retries += 1;
    else if (event.type === 'rejected') record.refused += 1;
  });
  const call = async (): Promise<void> => {
    const calledAt = elapsedMs();
    const { result, answered } = await callResult(() => client.fetch(plan.url));
    record.results.set(result, (record.results.get(result) ?? 0) + 1);
    record.track.calls.push({ startedAt: calledAt, endedAt: elapsedMs(), answered });
  };

  const calls: Promise<void>[] = [];
  view.begin(record, elapsedMs);
  const sample = (): void => void record.track.seen.push({ at: elapsedMs(), total: record.requests });
  const sampling = setInterval(sample, SAMPLE_EVERY_MS);
  try {
    await steadyLoad(plan.ratePerSecond, plan.lastsMs, elapsedMs, () => calls.push(call()), signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await Promise.all(calls);
    clearInterval(sampling);
    // What was sent since the last one counts, too.
    sample();
    view.end();
    await client.close();
  }
  return record;
}
