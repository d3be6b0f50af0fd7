// What a project of any platform may write: the main entry, and those that need no other package.
import {
  CircuitBreaker,
  CircuitOpenError,
  type CircuitState,
  type Client,
  type ClientSnapshot,
  type CompletedEvent,
  compose,
  createClient,
  type Degradation,
  type DegradedDependency,
  degradation,
  degradationStore,
  type FallbackResult,
  type FetchInit,
  HttpError,
  incomingDeadline,
  memoryStore,
  type Result,
  retry,
  type SteadEvent,
  SteadfetchError,
  type SteadfetchErrorCode,
  type Store,
  type StoredResponse,
  type StoreEntry,
  withDeadline,
  withFallback,
} from 'steadfetch';
import { createHealth, dependsOn } from 'steadfetch/health';
import { createServerTiming } from 'steadfetch/server-timing';
import { tabFleet } from 'steadfetch/tabs';
import { chaosFetch, FakeClock, scriptedFetch } from 'steadfetch/testing';

import { isExactly } from './same.ts';

interface User {
  readonly id: number;
}

const store: Store = memoryStore({ maxEntries: 500 });
const client = createClient({
  name: 'users',
  deadlineMs: 2_000,
  bulkhead: { maxConcurrent: 'adaptive', maxQueued: 20, slot: 'headers' },
  breaker: {
    window: { size: 20, failureRate: 0.5 },
    fleet: tabFleet(),
    classify: ({ response }) => (response?.status === 500 ? 'failure' : 'success'),
  },
  retry: {
    maxAttempts: 3,
    jitter: 'decorrelated',
    shouldRetry: ({ response, attempt }) => !response?.ok && attempt < 2,
  },
  hedge: { percentile: 0.95 },
  attemptTimeoutMs: false,
  fallback: { store, partition: (request) => request.headers.get('x-user') ?? undefined },
  isolateBy: (request) => new URL(request.url).host,
  propagateDeadline: { to: (url) => url.hostname.endsWith('.internal') },
  // The platform's own, as it is.
  fetch,
});
isExactly<Client>()(client);

// The wrong options are errors.
// @ts-expect-error: seconds are milliseconds here, and the name says so.
createClient({ deadline: 2 });
// @ts-expect-error
createClient({ bulkhead: { maxConcurrent: 'many' } });
// @ts-expect-error
createClient({ retry: true });
// @ts-expect-error: a store is none without its four methods.
createClient({ fallback: { store: { get: store.get } } });
// @ts-expect-error
memoryStore({ maxEntries: '500' });

export async function call(request: Request, signal: AbortSignal): Promise<User> {
  const init: FetchInit = { method: 'PUT', signal, idempotent: true, retry: { maxAttempts: 2 }, fallback: false };
  const response = await client.fetch(request, init);
  isExactly<Response>()(response);
  isExactly<Degradation | undefined>()(degradation(response));

  const result = await client.json<User>('https://users.test/1', {
    deadline: incomingDeadline(request, { maxMs: 500 }),
  });
  isExactly<Result<User>>()(result);
  isExactly<User>()(result.value);
  isExactly<boolean>()(result.degraded);
  isExactly<Response>()(result.response);
  // @ts-expect-error
  result.value.name;
  // @ts-expect-error: what is asked for has a type.
  await client.json('https://users.test/1').then(({ value }) => value.id);
  // @ts-expect-error
  await client.fetch(request, { attemptTimeoutMs: '1s' });
  return result.value;
}

export function codeOf(error: unknown): SteadfetchErrorCode | undefined {
  if (error instanceof CircuitOpenError) {
    isExactly<number>()(error.retryAfterMs);
    isExactly<'CIRCUIT_OPEN'>()(error.code);
  }
  if (error instanceof HttpError) isExactly<Response>()(error.response);
  return error instanceof SteadfetchError ? error.code : undefined;
}

// Each event by its type.
isExactly<() => void>()(
  client.subscribe((event) => {
    isExactly<SteadEvent>()(event);
    if (event.type === 'completed') isExactly<CompletedEvent>()(event);
    if (event.type === 'transition') isExactly<CircuitState>()(event.to);
    // @ts-expect-error: there is no such event.
    if (event.type === 'finished') return;
  }),
);
const snapshot = client.snapshot();
isExactly<ClientSnapshot>()(snapshot);
createClient({ restore: snapshot });
isExactly<Promise<void>>()(client.close({ drainMs: 1_000 }));

// A list of what is degraded, as React's useSyncExternalStore takes it.
const { subscribe, getSnapshot } = degradationStore(client);
isExactly<() => void>()(subscribe(() => undefined));
isExactly<readonly DegradedDependency[]>()(getSnapshot().dependencies);

// The layers alone, over anything asynchronous.
const breaker = new CircuitBreaker({
  failureThreshold: 3,
  classify: (result) => ('error' in result ? 'failure' : 'success'),
});
const guarded = compose(
  withDeadline(1_000),
  breaker,
  retry({ maxAttempts: 2, shouldRetry: ({ error }) => error !== undefined }),
);
isExactly<Promise<number>>()(guarded.execute(async ({ signal, attempt }) => (signal.aborted ? 0 : attempt)));
isExactly<CircuitState>()(breaker.state);
const orNone = withFallback(() => null);
isExactly<Promise<FallbackResult<string | null>>>()(orNone.result(async () => 'text'));

// A store of one's own: what is kept is plain data, and its bytes are a body of the platform's.
export class MapStore implements Store {
  readonly #entries = new Map<string, StoreEntry>();
  async get(key: string): Promise<StoreEntry | undefined> {
    return this.#entries.get(key);
  }
  async set(key: string, entry: StoreEntry): Promise<void> {
    this.#entries.set(key, entry);
  }
  async delete(key: string): Promise<void> {
    this.#entries.delete(key);
  }
  async clear(partition?: string): Promise<void> {
    for (const key of this.#entries.keys())
      if (partition === undefined || key.startsWith(`${partition} `)) this.#entries.delete(key);
  }
}
export const responseOf = ({ body, status }: StoredResponse): Response => new Response(body, { status });
const bytes: Uint8Array | null = ({} as StoredResponse).body;
createClient({
  fallback: { store: new MapStore(), respond: async (request, error) => new Response(`${request.url}: ${error}`) },
});

const health = createHealth({
  liveness: { loop: () => bytes },
  readiness: { users: dependsOn(client, { whenOpen: 'warn' }) },
});
isExactly<(request: Request) => Promise<Response | undefined>>()(health.handler);
// @ts-expect-error: a process is not restarted because of what it depends on.
createHealth({ liveness: { users: dependsOn(client) } });
isExactly<string>()(createServerTiming(client)(new Response()));

const clock = new FakeClock({ epochNow: 0 });
const upstream = scriptedFetch([503, { status: 200, body: 'text', delayMs: 10 }, 'hang'], { clock });
isExactly<number>()(upstream.calls);
createClient({ fetch: chaosFetch(upstream, { errorRate: 0.1, clock }), clock });
