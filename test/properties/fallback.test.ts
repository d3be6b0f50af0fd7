import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createClient, type FallbackOptions, type FetchInit, memoryStore, type Store } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { engine } from '../support/engine.ts';
import { pick, RUNS } from './bench.ts';

const users = ['ann', 'bob', 'nobody'] as const;
type User = (typeof users)[number];

/** How a request says whose it is. Where it is by the partition alone, the server knows it from elsewhere: a cookie of the page. */
const ways = ['authorization', 'cookie', 'x-anything', 'partition'] as const;
type Way = (typeof ways)[number];

type Command =
  | { type: 'read'; user: User; use: 'fetch' | 'json'; path: number; language: string; leaves: boolean }
  | { type: 'write'; user: User; path: number }
  | { type: 'clear'; user: User | undefined }
  | { type: 'pass'; ms: number };

const user = fc.constantFrom(...users);
const path = fc.nat(2);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      type: fc.constant('read' as const),
      user,
      use: fc.constantFrom('fetch', 'json'),
      path,
      language: fc.constantFrom('', 'en', 'de'),
      leaves: fc.constantFrom(false, false, false, true),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('write' as const), user, path }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('clear' as const), user: fc.option(user, { nil: undefined }) }),
  },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.constantFrom(1, 10, 100, 1_000) }) },
);

interface Trip {
  readonly ends: 'ok' | 'ok-varied' | 'ok-etag' | 'down' | 'busy' | 'gone' | 'cut';
  readonly delayMs: number;
}

const trip: fc.Arbitrary<Trip> = fc.record({
  ends: fc.constantFrom('ok', 'ok', 'ok-varied', 'ok-etag', 'down', 'busy', 'gone', 'cut'),
  delayMs: fc.constantFrom(0, 0, 5, 50),
});

const rules: fc.Arbitrary<FallbackOptions> = fc.record({
  maxAgeMs: fc.constantFrom(0, 20, 500),
  staleWhileRevalidateMs: fc.constantFrom(0, 100, 5_000),
  coalesce: fc.boolean(),
});

function initFor(asker: User, way: Way, language: string): FetchInit {
  const headers: Record<string, string> = language === '' ? {} : { 'accept-language': language };
  if (way === 'partition') return { headers: { ...headers, 'x-as': asker }, partition: asker };
  return asker === 'nobody' ? { headers } : { headers: { ...headers, [way]: asker } };
}

/** Who the server takes a request for, and the language it asks for. */
function askerOf(headers: Headers): string {
  const asker = [...ways, 'x-as'].map((name) => headers.get(name)).find((value) => value !== null) ?? 'nobody';
  return `${asker} in ${headers.get('accept-language') ?? 'any'}`;
}

test.for(ways)(
  'no sequence of calls gives one user what is for another, told apart by %s',
  { timeout: 60_000 },
  async (way) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(command, { minLength: 1, maxLength: 40 }),
        fc.array(trip, { minLength: 1 }),
        rules,
        async (commands, trips, fallback) => {
          const clock = new FakeClock();
          let sent = 0;
          const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
            const { ends, delayMs } = pick(trips, sent) ?? { ends: 'ok', delayMs: 0 };
            sent += 1;
            const headers = new Headers(init?.headers);
            if (delayMs > 0) await new Promise<void>((resolve) => void clock.schedule(delayMs, resolve));
            if (ends === 'down') throw new TypeError('Failed to fetch');
            if (ends === 'busy') return new Response(null, { status: 503 });
            if (ends === 'gone') return new Response(null, { status: 404 });
            const text = JSON.stringify(`${askerOf(headers)} at ${String(input)}`);
            if (ends === 'cut')
              return new Response(text.slice(0, 9), { headers: { 'content-length': String(text.length) } });
            const etag = `"${askerOf(headers)} ${String(input)}"`;
            if (headers.get('if-none-match') === etag) return new Response(null, { status: 304 });
            const vary = { vary: 'accept-language' };
            return new Response(text, { headers: ends === 'ok-etag' ? { ...vary, etag } : vary });
          };
          const store = memoryStore({ maxEntries: 4 });
          const client = createClient({
            clock,
            fetch,
            random: () => 0,
            retry: false,
            breaker: { resetTimeoutMs: 50 },
            fallback: { store, ...fallback },
          });
          const answers: Promise<void>[] = [];
          for (const each of commands) {
            if (each.type === 'pass') await clock.advance(each.ms);
            else if (each.type === 'clear') await client.clear(each.user === undefined ? {} : { partition: each.user });
            else {
              const language = each.type === 'read' ? each.language : '';
              const at = `https://api.test/${each.path}`;
              const controller = new AbortController();
              const init = { ...initFor(each.user, way, language), signal: controller.signal };
              const wanted = `${each.user} in ${language === '' ? 'any' : language} at ${at}`;
              const check = (value: unknown): void => {
                if (typeof value === 'string') expect(value).toBe(wanted);
              };
              const call =
                each.type === 'write'
                  ? client.fetch(at, { ...init, method: 'PUT' }).then(() => {})
                  : each.use === 'json'
                    ? client.json(at, init).then(({ value }) => check(value))
                    : client.fetch(at, init).then(async (response) => {
                        const text = await response.text();
                        if (response.ok && text.endsWith('"')) check(JSON.parse(text));
                      });
              answers.push(
                call.catch((error: unknown) => {
                  if (error instanceof Error && error.name === 'AssertionError') throw error;
                }),
              );
              if (each.type === 'read' && each.leaves) controller.abort('left');
            }
          }
          // A digest is made on a thread, which no clock waits for.
          let answered = false;
          const all = Promise.all(answers).finally(() => {
            answered = true;
          });
          while (!answered) await clock.advance(1_000);
          await all;
        },
      ),
      { ...RUNS, numRuns: RUNS.numRuns * 0.3 },
    );
  },
);

type Step =
  | { type: 'read'; use: 'fetch' | 'json'; path: number }
  | { type: 'write'; path: number }
  | { type: 'login' }
  | { type: 'pass'; ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant('read' as const),
      use: fc.constantFrom('fetch', 'json'),
      path: fc.nat(1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('write' as const), path: fc.nat(1) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('login' as const) }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.constantFrom(1, 5, 50, 1_000) }) },
);
const delayMs = fc.constantFrom(0, 0, 1, 5, 50, 400);

/** A store that takes its time over everything, each time another. */
function slowStore(clock: FakeClock, delays: readonly number[]): Store {
  const store = memoryStore();
  let operations = 0;
  const late = async <T>(work: () => Promise<T>): Promise<T> => {
    const ms = pick(delays, operations) ?? 0;
    operations += 1;
    if (ms > 0) await new Promise<void>((resolve) => void clock.schedule(ms, resolve));
    return work();
  };
  return {
    get: (key) => late(() => store.get(key)),
    set: (key, entry) => late(() => store.set(key, entry)),
    delete: (key) => late(() => store.delete(key)),
    clear: (partition) => late(() => store.clear(partition)),
  };
}

test('no call is given what its server sent before a write that it follows, or before another user came', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 30 }),
      fc.array(delayMs, { minLength: 1 }),
      fc.array(delayMs, { minLength: 1 }),
      rules,
      async (steps, tripDelays, storeDelays, fallback) => {
        const clock = new FakeClock();
        // The server knows the user by a cookie, which nobody here sees, and what was written.
        const version = [0, 0];
        let sent = 0;
        const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
          const ms = pick(tripDelays, sent) ?? 0;
          sent += 1;
          const at = Number(String(input).slice(-1));
          const text = String(version[at]);
          if (ms > 0) await new Promise<void>((resolve) => void clock.schedule(ms, resolve));
          if (init?.method !== 'PUT') return new Response(text);
          version[at] = (version[at] ?? 0) + 1;
          return new Response(null, { status: 204 });
        };
        const store = slowStore(clock, storeDelays);
        const client = createClient({ clock, fetch, retry: false, fallback: { store, ...fallback } });
        const answers: Promise<void>[] = [];
        const until = async (work: Promise<unknown>): Promise<void> => {
          let done = false;
          const end = (): void => {
            done = true;
          };
          work.then(end, end);
          while (!done) await clock.advance(10);
          await work;
        };
        for (const each of steps) {
          if (each.type === 'pass') await clock.advance(each.ms);
          else if (each.type === 'login') {
            version[0] = (version[0] ?? 0) + 100;
            version[1] = (version[1] ?? 0) + 100;
            await until(client.clear());
          } else {
            const at = `https://api.test/${each.path}`;
            if (each.type === 'write') await until(client.fetch(at, { method: 'PUT' }));
            else {
              const least = version[each.path] ?? 0;
              const value =
                each.use === 'json'
                  ? client.json<number>(at).then((result) => result.value)
                  : client.fetch(at).then(async (response) => Number(await response.text()));
              answers.push(value.then((given) => expect(given).toBeGreaterThanOrEqual(least)));
            }
          }
        }
        await until(Promise.all(answers));
      },
    ),
    // Browsers give the fake clock its turns slowly.
    { ...RUNS, numRuns: engine === 'node' ? RUNS.numRuns : 50 },
  );
}, 60_000);
