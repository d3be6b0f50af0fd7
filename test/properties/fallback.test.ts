import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createClient, type FallbackOptions, type FetchInit, memoryStore } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { pick, RUNS } from './bench.ts';

const users = ['ann', 'bob', 'nobody'] as const;
type User = (typeof users)[number];

/** How a request says whose it is. Where it is by the partition alone, the server knows it from elsewhere: a cookie of the page. */
const ways = ['authorization', 'cookie', 'x-api-key', 'partition'] as const;
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
      { ...RUNS, numRuns: 300 },
    );
  },
);
