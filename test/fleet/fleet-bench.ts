import { EngineFleet } from '../../src/fleet/engine-fleet.ts';
import { type Client, type ClientOptions, createClient, type SteadEvent } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { EngineMemory, memoryEngine } from '../support/memory-engine.ts';

export const origin = 'https://users.test';
export const url = `${origin}/u/1`;

export interface Instance {
  readonly client: Client;
  readonly events: readonly SteadEvent[];
  readonly requests: () => number;
  readonly state: () => string | undefined;
}

interface BenchOptions extends ClientOptions {
  readonly quorum?: number;
  readonly skewMs?: number;
  readonly successThreshold?: number;
  readonly latencyMs?: number;
}

/** Some instances of a service, one upstream, and what the fleet remembers. */
export function fleetBench(
  count: number,
  { quorum = 1, skewMs = 0, successThreshold = 1, latencyMs = 0, ...options }: BenchOptions = {},
) {
  const clock = new FakeClock();
  const memory = new EngineMemory(clock, { quorum, skewMs });
  const upstream: { status: number; hangs: boolean; requests: number; brokenFor?: Instance | undefined } = {
    status: 200,
    hangs: false,
    requests: 0,
  };
  const make = (own: ClientOptions = {}): Instance => {
    let requests = 0;
    const events: SteadEvent[] = [];
    const client: Client = createClient({
      clock,
      random: () => 0,
      retry: false,
      breaker: { failureThreshold: 3, successThreshold, fleet: new EngineFleet(memoryEngine(memory)) },
      async fetch(_input, init) {
        requests += 1;
        upstream.requests += 1;
        if (upstream.hangs)
          await new Promise((_, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason)));
        if (latencyMs > 0) await new Promise<void>((resolve) => clock.schedule(latencyMs, resolve));
        if (upstream.brokenFor !== undefined && upstream.brokenFor.client === client) throw new TypeError('broken');
        return new Response(null, { status: upstream.status });
      },
      ...options,
      ...own,
    });
    client.subscribe((event) => events.push(event));
    return {
      client,
      events,
      requests: () => requests,
      state: () => client.snapshot().dependencies[origin]?.breaker?.state,
    };
  };
  const instances = Array.from({ length: count }, () => make());
  const callAll = async (): Promise<void> => {
    const calls = instances.map(({ client }) => client.fetch(url).catch(() => {}));
    await clock.advance(latencyMs);
    await Promise.all(calls);
  };
  const states = (): (string | undefined)[] => instances.map(({ state }) => state());
  return { clock, memory, upstream, instances, callAll, states, make };
}

/** The states of instances that are all alike. */
export const all = (count: number, state: string): string[] => Array(count).fill(state);
