import { type Client, createClient, memoryStore } from '../../../src/index.ts';
import { FakeClock, type ScriptStep, scriptedFetch } from '../../../src/testing/index.ts';

/** A shop whose dependencies fail as they do in life, to the millisecond, and the same each time. */
export interface Outage {
  readonly clock: FakeClock;
  readonly client: Client;
  /** When it began, in ms since the Unix epoch: 14:02:20 in Greenwich. */
  readonly startedAt: number;
  /** What callers were given, by origin and as they saw it: `network`, `degraded`, `default` or `failed`. */
  readonly gotten: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Lets so much time pass, with the traffic of that time. */
  play(ms: number): Promise<void>;
}

export const API = 'https://api.harbour.test';
export const SEARCH = 'https://search.harbour.test';
export const IMAGES = 'https://images.harbour.test';

/** From when on the API answers 503, and until when search loses its connections: in ms after the start. */
export const API_FAILS_AT = 38_000;
const SEARCH_FAILS_AT = 12_000;
const SEARCH_WORKS_AT = 26_000;

const STEP_MS = 250;
const SOURCES = { cache: 'degraded', default: 'default' } as const;

export function outage(): Outage {
  const startedAt = Date.UTC(2026, 10, 14, 14, 2, 20);
  const clock = new FakeClock({ epochNow: startedAt });
  const random = pseudorandom();
  const answer = ({ url }: { readonly url: string }): ScriptStep => {
    const now = clock.now();
    const jitter = random();
    if (url.startsWith(API)) {
      if (now >= API_FAILS_AT) return url.endsWith('/reviews') ? 'hang' : { status: 503, delayMs: 30 + jitter * 60 };
      return { body: '[]', delayMs: 25 + jitter ** 3 * 300 };
    }
    if (url.startsWith(SEARCH)) {
      if (now < SEARCH_FAILS_AT) return { body: '[]', delayMs: 90 + jitter ** 2 * 900 };
      // Back, and slower than before.
      return now < SEARCH_WORKS_AT ? new TypeError('Failed to fetch') : { body: '[]', delayMs: 900 + jitter * 1_000 };
    }
    return { body: '[]', delayMs: 4 + jitter * 10 };
  };
  const client = createClient({
    name: 'harbour-shop',
    clock,
    random,
    fetch: scriptedFetch([answer], { clock }),
    attemptTimeoutMs: 2_000,
    bulkhead: { maxConcurrent: 6, maxQueued: 20 },
    breaker: { failureThreshold: 5, resetTimeoutMs: 5_000 },
    retry: { maxAttempts: 2, initialDelayMs: 200 },
    fallback: {
      store: memoryStore({ shared: false }),
      respond: ({ url }) => (url.includes('/suggestions') ? new Response('[]') : undefined),
    },
  });
  let steps = 0;
  const gotten: Record<string, Record<string, number>> = {};
  const ask = async (url: string): Promise<void> => {
    const got = await client.json(url).then(
      ({ degradation }) => (degradation === undefined ? 'network' : SOURCES[degradation.source]),
      () => 'failed',
    );
    const { origin } = new URL(url);
    const counts = gotten[origin] ?? {};
    gotten[origin] = { ...counts, [got]: (counts[got] ?? 0) + 1 };
  };
  return {
    clock,
    client,
    startedAt,
    gotten,
    async play(ms) {
      for (let passed = 0; passed < ms; passed += STEP_MS) {
        steps += 1;
        void ask(steps % 3 === 0 ? `${API}/orders/${steps}` : `${API}/products`);
        if (steps % 16 === 0) void ask(`${API}/reviews`);
        if (steps % 2 === 1) void ask(`${SEARCH}/${steps % 8 === 1 ? 'query' : 'suggestions'}?${steps}`);
        if (clock.now() > SEARCH_WORKS_AT) void ask(`${SEARCH}/query?more-${steps}`);
        if (steps % 2 === 0) void ask(`${IMAGES}/lantern.avif`);
        await clock.advance(STEP_MS);
      }
    },
  };
}

/** Numbers in [0, 1) that look like chance, and come back in each run. */
export function pseudorandom(seed = 7): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}
