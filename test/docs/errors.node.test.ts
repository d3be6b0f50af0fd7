import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { createMarkdownRenderer } from 'vitepress';
import { expect, test } from 'vitest';

import { redisStore } from '../../src/adapters/redis.ts';
import * as library from '../../src/index.ts';
import { FakeClock, type ScriptStep, scriptedFetch } from '../../src/testing/index.ts';
import { snippetsOf, writeSnippets } from './snippets.ts';

const page = readFileSync('docs/errors.md', 'utf8');
const url = 'https://users.test/u/1?token=secret';

interface Section {
  readonly title: string;
  readonly text: string;
  /** The messages it shows. */
  readonly examples: readonly string[];
}

const sections: readonly Section[] = page
  .split(/^## /m)
  .slice(1)
  .map((text) => {
    const blocks = Array.from(text.matchAll(/^```text\n(.*?)^```/gms), ([, block = '']) => block.trimEnd());
    return { title: text.slice(0, text.indexOf('\n')), text, examples: blocks.flatMap((block) => block.split('\n')) };
  });

/** As GitHub makes an anchor of a heading: small letters, no punctuation but `-` and `_`, and dashes for spaces. */
function githubSlug(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

interface Bench {
  readonly clock: FakeClock;
  readonly client: library.Client;
  readonly events: library.SteadEvent[];
}

function benchOf(script: readonly ScriptStep[], options: library.ClientOptions = {}): Bench {
  const clock = new FakeClock();
  const client = library.createClient({ clock, random: () => 0, fetch: scriptedFetch(script, { clock }), ...options });
  const events: library.SteadEvent[] = [];
  client.subscribe((event) => events.push(event));
  return { clock, client, events };
}

/** What a call rejects with, after `ms`. */
async function errorOf(call: Promise<unknown>, clock?: FakeClock, ms = 0): Promise<unknown> {
  const error = call.then(
    () => expect.unreachable('it has an answer'),
    (reason: unknown) => reason,
  );
  await clock?.advance(ms);
  return error;
}

/** What is thrown at once. */
function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return expect.unreachable('nothing was thrown');
}

interface Driven {
  readonly errors: readonly unknown[];
  readonly events: readonly library.SteadEvent[];
}

/** Each section's errors, made by the library, in the order of its examples. */
const drives: Readonly<Record<string, () => Promise<Driven>>> = {
  async 'Circuit open'() {
    const { clock, client, events } = benchOf([500], {
      retry: false,
      breaker: { failureThreshold: 1, resetJitter: 0 },
    });
    await client.fetch(url);
    await clock.advance(2_000);
    const isolated = new library.CircuitBreaker({ clock });
    isolated.isolate();
    return { errors: [await errorOf(client.fetch(url)), await errorOf(isolated.execute(() => 1))], events };
  },
  async 'Bulkhead full'() {
    const { client, events } = benchOf(['hang'], { bulkhead: { maxConcurrent: 1, maxQueued: 1 } });
    const controller = new AbortController();
    const others = [0, 1].map(() => errorOf(client.fetch(url, { signal: controller.signal })));
    const error = await errorOf(client.fetch(url));
    controller.abort();
    await Promise.all(others);
    return { errors: [error], events };
  },
  async 'Queue timeout'() {
    const { clock, client, events } = benchOf(['hang'], { bulkhead: { maxConcurrent: 1, queueTimeoutMs: 500 } });
    const controller = new AbortController();
    const other = errorOf(client.fetch(url, { signal: controller.signal }));
    const error = await errorOf(client.fetch(url), clock, 500);
    controller.abort();
    await other;
    return { errors: [error], events };
  },
  async Closed() {
    const { client, events } = benchOf([200]);
    await client.close();
    return { errors: [await errorOf(client.fetch(url))], events };
  },
  async 'Deadline exceeded'() {
    const { clock, client, events } = benchOf(['hang'], { deadlineMs: 2_000 });
    return { errors: [await errorOf(client.fetch(url), clock, 2_000)], events };
  },
  async 'Attempt timeout'() {
    const { clock, client, events } = benchOf(['hang'], { attemptTimeoutMs: 500, retry: false });
    return { errors: [await errorOf(client.fetch(url), clock, 500)], events };
  },
  async HTTP() {
    const { client, events } = benchOf([new Response('no such user', { status: 404, statusText: 'Not Found' })]);
    return { errors: [await errorOf(client.json(url))], events };
  },
  async 'Network errors'() {
    const { client, events } = benchOf([{ body: '{"cut":', after: 'break' }], { retry: false });
    return { errors: [await errorOf(client.json(url))], events };
  },
  async Aborts() {
    const { client, events } = benchOf(['hang']);
    const controller = new AbortController();
    const call = errorOf(client.fetch(url, { signal: controller.signal }));
    controller.abort('no more');
    expect(await call).toBe('no more');
    return { errors: [], events };
  },
  async 'Invalid options'() {
    const store = { get() {}, set() {} };
    const address = 'redis://ann:secret@cache.test' as unknown as Parameters<typeof redisStore>[0]['client'];
    const { client, events } = benchOf([200]);
    const unsure = benchOf([200], { breaker: { classify: () => 'ok' as unknown as library.Outcome }, retry: false });
    const empty = benchOf([200], { fetch: async () => undefined as unknown as Response, retry: false });
    return {
      errors: [
        thrownBy(() => new library.CircuitBreaker({ failureThreshold: 0 })),
        thrownBy(() => library.createClient({ retries: 3 } as library.ClientOptions)),
        thrownBy(() => library.createClient({ fallback: { store: store as unknown as library.Store } })),
        thrownBy(() => redisStore({ client: address, partition: 'public' })),
        await errorOf(client.fetch(url, { signal: 'none' as unknown as AbortSignal })),
        await errorOf(client.fetch(undefined as unknown as string)),
        await errorOf(unsure.client.fetch(url)),
        await errorOf(empty.client.fetch(url)),
      ],
      events,
    };
  },
  async 'Store errors'() {
    const never = (): Promise<never> => new Promise(() => {});
    const store = { get: never, set: never, delete: never, clear: never };
    const { clock, client, events } = benchOf([200], { fallback: { store } });
    // A secret in the query would be hashed first, on a thread that no clock waits for.
    const read = client.fetch('https://users.test/u/1');
    await clock.advance(1_000);
    await read;
    const refused = await errorOf(client.clear(), clock, 1_000);
    await clock.advance(20_000);
    return { errors: [refused, await errorOf(client.clear(), clock, 61_000)], events };
  },
};

test.for(sections)('errors.md shows in “$title” what the library says, word for word', async ({ title, examples }) => {
  const drive = drives[title];
  expect(drive, 'a drive for each section').toBeDefined();
  const { errors = [] } = (await drive?.()) ?? {};
  expect(errors.map(String)).toEqual(examples);
  // The URLs, clients and stores that these are made with have a secret in them.
  for (const error of errors) expect(String(error)).not.toContain('secret');
});

/** The classes of errors that the library exports. */
const classes = Object.entries(library).filter(
  ([name, value]) =>
    typeof value === 'function' && value.prototype instanceof library.SteadfetchError && name !== 'SteadfetchError',
);

test('errors.md has a row and a section for each class and code, and no others', async () => {
  const rows = Array.from(
    page.matchAll(/^\| \[`([A-Z_]+)`\]\(#([\w-]+)\) \| `(\w+)` \|/gm),
    ([, code, anchor, name]) => {
      const section = sections.find(({ title }) => githubSlug(title) === anchor);
      return { code, name, section };
    },
  );
  expect(rows.map(({ name }) => name).sort()).toEqual(classes.map(([name]) => name).sort());
  for (const { code, name, section } of rows) {
    expect(section?.text, `the section of ${code}`).toMatch(new RegExp(`^.*\\n\\n\`${code}\`: `));
    const { errors } = (await drives[section?.title ?? '']?.()) ?? { errors: [] };
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) {
      expect(error).toMatchObject({ code });
      expect((error as Error).constructor.name).toBe(name);
    }
  }
});

test('errors.md has anchors that are the same on GitHub and in VitePress, and links to no others', async () => {
  const renderer = await createMarkdownRenderer('docs');
  const html = renderer.render(page);
  const anchors = Array.from(html.matchAll(/<h2 id="([^"]*)"/g), ([, id]) => id);
  expect(anchors).toEqual(sections.map(({ title }) => githubSlug(title)));
  const links = Array.from(page.matchAll(/\]\(#([^)]*)\)/g), ([, anchor]) => anchor);
  expect(new Set(links)).toEqual(new Set(links.filter((link) => anchors.includes(link))));
  expect(links.length).toBeGreaterThanOrEqual(classes.length);
});

test('The TSDoc of each class leads to its section', () => {
  const source = readFileSync('src/errors.ts', 'utf8');
  const led = Array.from(
    source.matchAll(/@see docs\/errors\.md#([\w-]+)\n \*\/\nexport class (\w+)/g),
    ([, anchor, name]) => [name, sections.some(({ title }) => githubSlug(title) === anchor)],
  );
  expect(led.sort()).toEqual(classes.map(([name]) => [name, true]).sort());
});

/** What errors.md says that a listener hears, for calls that fail as in its drives. */
const told = [
  { title: 'Circuit open', type: 'rejected', code: 'CIRCUIT_OPEN', failure: 'refused' },
  { title: 'Bulkhead full', type: 'rejected', code: 'BULKHEAD_FULL', failure: 'refused' },
  { title: 'Queue timeout', type: 'rejected', code: 'QUEUE_TIMEOUT', failure: 'refused' },
  { title: 'Closed', type: 'rejected', code: 'CLOSED', failure: 'refused' },
  { title: 'Deadline exceeded', failure: 'deadline' },
  { title: 'Attempt timeout', type: 'attempt', failure: 'attempt-timeout' },
  { title: 'Network errors', type: 'attempt', failure: 'body' },
  { title: 'Aborts', failure: 'aborted' },
];

test.for(told)('errors.md says in “$title” which events tell of it', async ({ title, type, code, failure }) => {
  const { events } = (await drives[title]?.()) ?? { events: [] };
  await Promise.resolve();
  const text = sections.find((section) => section.title === title)?.text ?? '';
  expect(text).toMatch(
    new RegExp(`\\*\\*Told by\\*\\*:.*\`completed\`.*${type === 'attempt' ? '' : 'failure: '}"${failure}"`),
  );
  expect(events).toContainEqual(expect.objectContaining({ type: 'completed', failure }));
  if (type === undefined) return;
  expect(text).toMatch(new RegExp(`\\*\\*Told by\\*\\*:.*\`${type}\``));
  expect(events).toContainEqual(expect.objectContaining({ type, ...(code === undefined ? { failure } : { code }) }));
});

test('errors.md says what is told of a call that close() cuts off, of an answer that is none, and of a store', async () => {
  const { clock, client, events } = benchOf(['hang']);
  const call = errorOf(client.fetch(url));
  const closing = client.close({ drainMs: 1_000 });
  await clock.advance(1_000);
  await closing;
  expect(await call).toMatchObject({ code: 'CLOSED' });
  expect(events.map(({ type }) => type)).toEqual(['attempt', 'completed']);
  expect(events.at(-1)).toMatchObject({ failure: 'aborted' });
  expect((await drives['HTTP']?.())?.events).toContainEqual(
    expect.objectContaining({ type: 'completed', status: 404 }),
  );
  expect((await drives['Store errors']?.())?.events).toContainEqual(
    expect.objectContaining({ type: 'store-error', operation: 'get', reason: 'timeout' }),
  );
});

test("errors.md says how a TimeoutError of ours is told from the platform's", async () => {
  const [, code] = /a number in the platform's \((\d+), as in every `DOMException` of that name\)/.exec(page) ?? [];
  const theirs = new DOMException('', 'TimeoutError');
  expect(theirs.code).toBe(Number(code));
  for (const title of ['Deadline exceeded', 'Attempt timeout']) {
    const ours = (await drives[title]?.())?.errors[0];
    expect(ours).toMatchObject({ name: theirs.name, code: expect.any(String) });
  }
});

test('errors.md says which errors no fallback answers, and what the others are called', async () => {
  expect(page).toContain('all but `CLOSED` and the end of a deadline that came with the call (`init.deadline`)');
  const fallback = { respond: () => Response.json('instead') };
  const { clock, client } = benchOf(['hang'], {
    ...{ fallback, retry: false, attemptTimeoutMs: 300, breaker: { failureThreshold: 1 } },
    bulkhead: { maxConcurrent: 1, maxQueued: 1, queueTimeoutMs: 100 },
  });
  const calls = [0, 1, 2].map(() => client.fetch(url));
  await clock.advance(300);
  const late = benchOf(['hang'], { fallback, deadlineMs: 500 });
  const lateCall = late.client.fetch(url);
  await late.clock.advance(500);
  const all = [...calls, client.fetch(url), lateCall];
  const reasons = (await Promise.all(all)).map((response) => library.degradation(response)?.reason);
  const codes = ['ATTEMPT_TIMEOUT', 'QUEUE_TIMEOUT', 'BULKHEAD_FULL', 'CIRCUIT_OPEN', 'DEADLINE_EXCEEDED'];
  expect(reasons).toEqual(codes.map((code) => code.toLowerCase().replaceAll('_', '-')));

  const broken = await benchOf([500], { fallback, retry: false }).client.json(url);
  expect(page).toContain(`\`${broken.degradation?.reason}\``);
  const { signal } = new AbortController();
  const inherited = benchOf(['hang'], { fallback });
  const call = errorOf(
    inherited.client.fetch(url, { deadline: { signal, remainingMs: () => 500 } }),
    inherited.clock,
    500,
  );
  expect(await call).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await client.close();
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CLOSED' });
});

const odd = (() => 5) as () => never;
const functions: Readonly<Record<string, library.ClientOptions>> = {
  isolateBy: { isolateBy: odd },
  fetch: { fetch: odd },
  'breaker.classify': { breaker: { classify: odd } },
  'retry.shouldRetry': { retry: { shouldRetry: odd } },
  'fallback.partition': { fallback: { store: library.memoryStore(), partition: odd } },
  'fallback.key': { fallback: { store: library.memoryStore(), key: odd } },
  'propagateDeadline.to': { propagateDeadline: { to: odd } },
  random: { random: odd, retry: {} },
};

test.for(Object.entries(functions))('errors.md: the call that asked %s gets the error', async ([name, options]) => {
  expect(await errorOf(benchOf([503], { retry: false, ...options }).client.fetch(url))).toMatchObject({
    name: 'TypeError',
    message: expect.stringMatching(new RegExp(`^${name} must return .*, got 5$`)),
  });
});

const answers = [
  { title: 'Circuit open', status: 503, retryAfter: '8' },
  { title: 'Bulkhead full', status: 503 },
  { title: 'Queue timeout', status: 503 },
  { title: 'Closed', status: 503 },
  { title: 'Deadline exceeded', status: 504 },
  { title: 'Attempt timeout', status: 504 },
  { title: 'HTTP', status: 502 },
];

test('errors.md switches on the code, and hands on what is not ours', async () => {
  const [path = ''] = writeSnippets('errors', snippetsOf('docs/errors.md'));
  const { answerFor } = (await import(pathToFileURL(path).href)) as { answerFor: (error: unknown) => Response };
  for (const { title, status, retryAfter = null } of answers) {
    const answer = answerFor((await drives[title]?.())?.errors[0]);
    expect(answer.status, title).toBe(status);
    expect(answer.headers.get('retry-after'), title).toBe(retryAfter);
  }
  expect(answerFor(new library.CircuitOpenError(Infinity)).headers.get('retry-after')).toBe('60');
  // Of another copy of the library.
  expect(answerFor(Object.assign(new Error('refused'), { code: 'CLOSED' })).status).toBe(503);
  for (const other of [new TypeError('Failed to fetch'), 'a reason', null, undefined]) {
    expect(thrownBy(() => answerFor(other))).toBe(other);
  }
});
