import { globSync, readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, test, vi } from 'vitest';

import { EngineFleet } from '../../src/fleet/engine-fleet.ts';
import { redisFleet } from '../../src/fleet/redis.ts';
import {
  CircuitBreaker,
  type Client,
  type ClientOptions,
  type ClientSnapshot,
  createClient,
  type FetchInit,
  memoryStore,
  type SteadEvent,
  type Store,
} from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { type ScriptStep, scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, origin, url, watch } from '../client/bench.ts';
import { EngineMemory, memoryEngine } from '../support/memory-engine.ts';
import { snippetsOf, writeSnippets } from './snippets.ts';
import { tableOf } from './tables.ts';

const PAGE = 'docs/operations.md';
const page = readFileSync(PAGE, 'utf8');
const source = readFileSync('src/events.ts', 'utf8');
const [troublesPath = '', switchPath = '', anewPath = '', shadowPath = ''] = writeSnippets(
  'operations',
  snippetsOf(PAGE),
);

const load = async <Exports>(path: string): Promise<Exports> =>
  (await import(/* @vite-ignore */ pathToFileURL(path).href)) as Exports;
const rowsOf = (section: string): readonly (readonly string[])[] => tableOf(PAGE, section).rows;
const unquoted = (cell = ''): string => cell.replaceAll('`', '');
const stateOf = (client: Client): string | undefined => client.snapshot().dependencies[origin]?.breaker?.state;
/** The words in code of a text. */
const coded = (text: string): string[] => Array.from(text.matchAll(/`([^`]+)`/g), ([, word = '']) => word);

afterEach(() => void vi.unstubAllGlobals());

describe('what it names', () => {
  test('each event has a row, and each row is an event', () => {
    const types = Array.from(source.matchAll(/readonly type: '([\w-]+)'/g), ([, type]) => type);
    expect(types.length).toBeGreaterThanOrEqual(10);
    expect(rowsOf('Events').map(([type]) => unquoted(type))).toEqual(expect.arrayContaining(types));
    expect(rowsOf('Events')).toHaveLength(types.length);
    expect(rowsOf('Events').filter((row) => row.length !== 5 || row.includes(''))).toEqual([]);
  });

  test('what a row tells to look at is a field of its event', () => {
    for (const [type = '', , , fields = ''] of rowsOf('Events')) {
      const declared = new RegExp(`type: '${unquoted(type)}';(.*?)\\n}`, 's').exec(source)?.[1] ?? '';
      // A change of the circuit is explained by another event, and says so.
      const wanted = coded(fields).filter((word) => word !== 'attempt');
      expect(
        wanted.filter((word) => !new RegExp(`readonly ${word}\\??:`).test(declared)),
        type,
      ).toEqual([]);
    }
  });

  test('each kind of failure has a row, and each code of a refusal is told', () => {
    const [, kinds = ''] = /export type FailureKind =(.*?);/s.exec(source) ?? [];
    const names = Array.from(kinds.matchAll(/'([\w-]+)'/g), ([, name]) => name);
    expect(
      rowsOf('Why an attempt failed')
        .map(([name]) => unquoted(name))
        .sort(),
    ).toEqual(names.sort());
    const [, codes = ''] = /readonly code: Extract<SteadfetchErrorCode, (.*?)>/.exec(source) ?? [];
    const refusals = Array.from(codes.matchAll(/'(\w+)'/g), ([, code]) => code);
    expect(refusals).toHaveLength(4);
    const rejected =
      rowsOf('Events')
        .find(([type]) => type === '`rejected`')
        ?.join('') ?? '';
    expect(coded(rejected)).toEqual(expect.arrayContaining(refusals));
  });

  test('each alert has a row, and each row is an alert', () => {
    const alerts = readFileSync('docs/examples/alerts.yml', 'utf8').matchAll(/- alert: (\w+)/g);
    expect(rowsOf('Alerts').map(([name]) => unquoted(name))).toEqual(Array.from(alerts, ([, name]) => name));
  });

  test('metrics and their attributes are those of the code, and are told in telemetry.md', () => {
    const code = globSync('src/otel/*.ts')
      .map((path) => readFileSync(path, 'utf8'))
      .join('');
    const telemetry = readFileSync('docs/telemetry.md', 'utf8');
    const named = coded(page).filter((word) => /^(steadfetch|http)\.[\w.]+$/.test(word));
    expect(new Set(named).size).toBeGreaterThanOrEqual(8);
    for (const name of named) {
      expect(code).toContain(`'${name}'`);
      expect(telemetry).toContain(name.replace(/^(steadfetch\.bulkhead)(\.queued)$/, '$2'));
    }
  });

  test('what it tells to look at in a snapshot is there', async () => {
    const { client } = clientBench([501], { breaker: { failureThreshold: 1 } });
    await client.fetch(url);
    const dependency: object = client.snapshot().dependencies[origin] ?? {};
    const cells = rowsOf('First: what do users get?').map(([, , cell = '']) => cell);
    const paths = coded(cells.join(' ')).filter((word) => word !== 'null');
    expect(paths.length).toBeGreaterThanOrEqual(15);
    const at = (from: unknown, path: string): unknown =>
      path.split('.').reduce<unknown>((value, key) => Reflect.get(Object(value), key), from);
    const { lastFailure } = dependency as { lastFailure?: unknown };
    for (const path of paths) {
      expect(
        [at(dependency, path), at(lastFailure, path)].some((found) => found !== undefined),
        path,
      ).toBe(true);
    }
  });

  test('a link within the pages goes to a heading that is there', () => {
    for (const path of ['docs/operations.md', 'docs/numbers.md', 'docs/security.md']) {
      for (const [, target = '', heading] of readFileSync(path, 'utf8').matchAll(
        /\]\(([\w./-]*\.(?:md|yml|mjs))?#?([\w-]+)?\)/g,
      )) {
        const file = target === '' ? path : new URL(target, `file:///docs/x`).pathname.slice(1);
        const text = readFileSync(target === '' ? path : file, 'utf8');
        const anchors = Array.from(text.matchAll(/^#+ (.*)$/gm), ([, title = '']) => anchorOf(title));
        if (heading !== undefined) expect(anchors, `${path} → ${target}#${heading}`).toContain(heading);
      }
    }
  });
});

describe('events', () => {
  test('a client that has every kind of trouble tells of every kind of event', async () => {
    const clock = new FakeClock();
    const memory = new EngineMemory(clock);
    const events: SteadEvent[] = [];
    const broken: Store = {
      ...memoryStore(),
      set: async () => {
        throw new DOMException('full', 'QuotaExceededError');
      },
    };
    const make = (options: ClientOptions, script: readonly ScriptStep[]): Client => {
      const client = createClient({ clock, random: () => 0, fetch: scriptedFetch(script, { clock }), ...options });
      client.subscribe((event) => events.push(event));
      return client;
    };
    const one = make(
      {
        breaker: { failureThreshold: 1, fleet: new EngineFleet(memoryEngine(memory)) },
        bulkhead: { maxConcurrent: 1, maxQueued: 1 },
        fallback: { store: broken, respond: () => new Response('default') },
      },
      [200, 503],
    );
    memory.faults.isDown = true;
    await one.fetch(url);
    await clock.advance(1_000);
    const calls = [1, 2, 3].map(() => one.fetch(url));
    await clock.advance(5_000);
    await Promise.all(calls);
    const two = make({ fallback: { store: memoryStore(), staleWhileRevalidateMs: 60_000 } }, [200]);
    for (let call = 0; call < 2; call += 1) {
      const storing: Promise<unknown>[] = [];
      await two.fetch(url, { waitUntil: (work) => storing.push(work) });
      await Promise.all(storing);
      await clock.advance(10);
    }
    expect([...new Set(events.map(({ type }) => type))].sort()).toEqual(
      rowsOf('Events')
        .map(([type]) => unquoted(type))
        .sort(),
    );
    expect(events).toContainEqual(expect.objectContaining({ type: 'store-error', reason: 'QuotaExceededError' }));
  });

  const failures: readonly { readonly failure: string; readonly step: ScriptStep; readonly init?: FetchInit }[] = [
    { failure: 'status', step: 501 },
    { failure: 'network', step: new TypeError('refused') },
    { failure: 'body', step: { body: '<html>' } },
    { failure: 'attempt-timeout', step: 'hang', init: { attemptTimeoutMs: 100 } },
    { failure: 'deadline', step: 'hang', init: { deadlineMs: 100 } },
    { failure: 'aborted', step: 'hang' },
    {
      failure: 'outrun',
      step: ({ number }) => (number === 1 ? 'hang' : { body: '1' }),
      init: { hedge: { afterMs: 50 } },
    },
  ];
  test.for(failures)('an attempt that failed says $failure', async ({ failure, step, init }) => {
    const { client, clock, events } = clientBench([step], { retry: false });
    const controller = new AbortController();
    const call = client.json(url, { ...init, signal: controller.signal }).catch(() => {});
    await clock.advance(100);
    controller.abort();
    await call;
    await clock.advance(0);
    expect(events).toContainEqual(expect.objectContaining({ type: 'attempt', failure }));
  });

  test('a call that was refused says so: it never left', async () => {
    const { client, upstream, events } = clientBench([501], { breaker: { failureThreshold: 1 } });
    await client.fetch(url);
    await errorOf(client.fetch(url));
    expect(events.at(-1)).toMatchObject({ type: 'completed', attempts: 0, failure: 'refused' });
    expect(events.at(-2)).toMatchObject({ type: 'rejected', code: 'CIRCUIT_OPEN' });
    expect(upstream.calls).toBe(1);
  });
});

describe('by hand', () => {
  test('troubles() says what is not well, and nothing of what is', async () => {
    const { troubles } = await load<{ troubles: (snapshot: ClientSnapshot) => readonly string[] }>(troublesPath);
    const script: readonly ScriptStep[] = [200, 501];
    const { client, clock } = clientBench(script, {
      breaker: { failureThreshold: 1 },
      fallback: { respond: () => new Response('default') },
    });
    await client.fetch('https://fine.test/');
    expect(troubles(client.snapshot())).toEqual([]);
    await client.fetch(url);
    await clock.advance(4_000);
    await client.fetch(url);
    expect(troubles(client.snapshot())).toEqual([
      `${origin}: open for 4 s; last failure: 501; degraded: 2, refused: 1; 0 running, 0 waiting`,
    ]);
  });

  test('a client has no isolate() and no reset(), and a circuit breaker has both', () => {
    const client: object = createClient();
    expect(Object.keys(client).sort()).toEqual(['clear', 'close', 'fetch', 'json', 'snapshot', 'subscribe']);
    const breaker = new CircuitBreaker();
    breaker.isolate();
    expect(breaker.state).toBe('open');
    breaker.reset();
    expect(breaker.state).toBe('closed');
  });

  test('an open circuit that was restored as isolated has no time at which it looks again', () => {
    const { client } = clientBench([200]);
    const snapshot = client.snapshot();
    const breaker = new CircuitBreaker();
    breaker.isolate();
    const isolated = { breaker: breaker.snapshot(), budget: null, lastFailure: null, counters: countersOf(client) };
    const restore = { ...snapshot, dependencies: { [origin]: isolated } } as unknown as ClientSnapshot;
    const again = clientBench([200], { restore }).client.snapshot().dependencies[origin]?.breaker;
    expect(again).toMatchObject({ state: 'open', retryAfterMs: null });
  });

  test('a dependency that is switched off is not called, not retried, and answered from the store', async () => {
    const upstream = scriptedFetch([{ body: 'stored', headers: { 'cache-control': 'max-age=0' } }]);
    vi.stubGlobal('fetch', upstream);
    const { client, switchedOff } = await load<{ client: Client; switchedOff: Set<string> }>(switchPath);
    const storing: Promise<unknown>[] = [];
    await (await client.fetch(url, { waitUntil: (work) => storing.push(work) })).text();
    await Promise.all(storing);
    switchedOff.add(origin);
    for (let call = 0; call < 6; call += 1) expect(await (await client.fetch(url)).text()).toBe('stored');
    expect(upstream.calls).toBe(1);
    expect(stateOf(client)).toBe('open');
    expect(client.snapshot().dependencies[origin]?.counters).toMatchObject({ retries: 0, rejected: 1 });
    // Others go on.
    await client.fetch(new Request('https://others.test/'));
    expect(upstream.calls).toBe(2);
  });

  test('a dependency that is switched on again is back with two probes', async () => {
    let isOff = true;
    const { client, clock } = clientBench([() => (isOff ? 501 : 200)]);
    for (let call = 0; call < 5; call += 1) await client.fetch(url);
    isOff = false;
    await clock.advance(12_000);
    await client.fetch(url);
    expect(stateOf(client)).toBe('half-open');
    await client.fetch(url);
    expect(stateOf(client)).toBe('closed');
  });

  test('a client made anew has forgotten what circuits knew; calls on the old one finish as usual', async () => {
    let answer: (response: Response) => void = () => {};
    let isWell = false;
    vi.stubGlobal('fetch', async (input: unknown) => {
      if (String(input).endsWith('/slow')) return new Promise<Response>((resolve) => (answer = resolve));
      return new Response(null, { status: isWell ? 200 : 501 });
    });
    const { fetch, anew } = await load<{ fetch: Client['fetch']; anew: (options?: ClientOptions) => void }>(anewPath);
    const running = fetch('https://others.test/slow');
    for (let call = 0; call < 5; call += 1) await fetch(url);
    expect(await errorOf(fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
    isWell = true;
    anew();
    expect((await fetch(url)).status).toBe(200);
    answer(new Response('late'));
    expect(await (await running).text()).toBe('late');
    // A layer off, until the next deploy.
    anew({ breaker: false });
    isWell = false;
    for (let call = 0; call < 6; call += 1) expect((await fetch(url)).status).toBe(501);
  });

  test('in a fleet, a client made anew hears that the circuit is open, but for one without a breaker', async () => {
    const clock = new FakeClock();
    const memory = new EngineMemory(clock);
    const make = (breaker: ClientOptions['breaker']): Client =>
      createClient({ clock, random: () => 0, fetch: scriptedFetch([501], { clock }), breaker: breaker ?? {} });
    const fleet = (): { fleet: EngineFleet } => ({ fleet: new EngineFleet(memoryEngine(memory)) });
    const old = make(fleet());
    for (let call = 0; call < 5; call += 1) await old.fetch(url);
    await clock.advance(1);
    const anew = make(fleet());
    await anew.fetch(url);
    await clock.advance(1);
    expect(await errorOf(anew.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
    expect((await make(false).fetch(url)).status).toBe(501);
  });

  const layers: readonly { readonly layer: string; readonly init: FetchInit; readonly options: ClientOptions }[] = [
    { layer: 'retries', init: { retry: false }, options: { retry: false } },
    { layer: 'hedges', init: { hedge: false }, options: { hedge: false } },
    { layer: 'fallback, and what is stored', init: { fallback: false }, options: { fallback: false } },
    {
      layer: 'deadline, attempt timeout',
      init: { deadlineMs: false, attemptTimeoutMs: false },
      options: { deadlineMs: false, attemptTimeoutMs: false },
    },
    { layer: 'circuit breaker', init: {}, options: { breaker: false } },
    { layer: 'bulkhead', init: {}, options: { bulkhead: false } },
    { layer: 'all', init: {}, options: {} },
  ];

  test('layers are switched off as the page says', () => {
    const inCode = (options: object): string =>
      Object.keys(options)
        .map((name) => `\`${name}: false\``)
        .join(', ');
    const rows = rowsOf('A layer off');
    expect(rows.map(([layer]) => layer)).toEqual(layers.map(({ layer }) => layer));
    for (const [index, { init, options }] of layers.slice(0, -1).entries()) {
      const [, forOne, forAll] = rows[index] ?? [];
      expect(forOne).toBe(inCode(init) || '–');
      if (forAll !== 'the same') expect(forAll).toBe(inCode(options));
      // They are options: what is none throws.
      createClient(options);
    }
  });

  const troubled = { hedge: { afterMs: 10 }, deadlineMs: 1_000, attemptTimeoutMs: 100 };
  test.for<[string, FetchInit, number]>([
    ['everything on', {}, 6],
    ['hedges off', { hedge: false }, 3],
    ['retries off', { retry: false }, 2],
    ['both off', { retry: false, hedge: false }, 1],
  ])('a call with %s makes as many requests', async ([, init, requests]) => {
    const { client, clock, upstream } = clientBench(['hang'], { ...troubled, retry: { maxAttempts: 3 } });
    const call = client.fetch(url, init).catch(() => {});
    await clock.advance(2_000);
    await call;
    expect(upstream.calls).toBe(requests);
  });

  test('a call without time limits has none, and one without a fallback is given nothing that is stored', async () => {
    const { client, clock } = clientBench([{ body: 'stored' }, 'hang'], { fallback: { store: memoryStore() } });
    const storing: Promise<unknown>[] = [];
    await client.fetch(url, { waitUntil: (work) => storing.push(work) });
    await Promise.all(storing);
    const endless = watch(client.fetch(url, { deadlineMs: false, attemptTimeoutMs: false }));
    const bare = watch(client.fetch(url, { fallback: false }));
    await clock.advance(600_000);
    expect(endless.state).toBe('pending');
    expect(bare).toMatchObject({ state: 'rejected', error: { code: 'DEADLINE_EXCEEDED' } });
  });

  test('with all layers off it is fetch, with events', async () => {
    const off = { deadlineMs: false, attemptTimeoutMs: false, retry: false, hedge: false, fallback: false } as const;
    const response = new Response('the very one');
    const clock = new FakeClock();
    const client = createClient({ ...off, breaker: false, bulkhead: false, clock, fetch: async () => response });
    const types: string[] = [];
    client.subscribe(({ type }) => types.push(type));
    expect(await client.fetch(url)).toBe(response);
    await clock.advance(0);
    expect(types).toEqual(['attempt', 'completed']);
    expect(clock.pending).toBe(0);
  });

  test('close() refuses who waits and who comes, also where something is stored, and lets run what runs', async () => {
    const bench = clientBench([{ body: 'stored' }, { body: 'running', delayMs: 500 }], {
      bulkhead: { maxConcurrent: 1, maxQueued: 1 },
      fallback: { store: memoryStore() },
    });
    const { client, clock } = bench;
    const storing: Promise<unknown>[] = [];
    await client.fetch(url, { waitUntil: (work) => storing.push(work) });
    await Promise.all(storing);
    const running = watch(client.fetch(url));
    await clock.advance(1);
    const waiting = watch(client.fetch(url));
    await clock.advance(1);
    const closed = watch(client.close({ drainMs: 1_000 }));
    const coming = watch(client.fetch(url));
    await clock.advance(0);
    for (const call of [waiting, coming]) expect(call).toMatchObject({ state: 'rejected', error: { code: 'CLOSED' } });
    await clock.advance(500);
    expect(running.state).toBe('resolved');
    expect(closed.state).toBe('resolved');
  });
});

describe('when a part of ours fails', () => {
  test('a store that hangs costs one call in ten seconds its second, and the others nothing', async () => {
    const silent: Store = { ...memoryStore(), get: () => new Promise(() => {}) };
    const { client, clock, events } = clientBench([200], { fallback: { store: silent } });
    const tookMs: number[] = [];
    for (let at = 0; at < 22; at += 1) {
      const startedAt = clock.now();
      const call = client.fetch(url).then(() => tookMs.push(clock.now() - startedAt));
      await clock.advance(1_000);
      await call;
    }
    expect(tookMs.filter((ms) => ms === 1_000)).toHaveLength(2);
    expect(tookMs.filter((ms) => ms === 0)).toHaveLength(20);
    expect(events.filter(({ type }) => type === 'store-error')).toHaveLength(2);
  });

  test.for<[string, Partial<Store>]>([
    [
      'throws',
      { get: async () => Promise.reject(new Error('down')), set: async () => Promise.reject(new Error('down')) },
    ],
    ['gives garbage', { get: async () => ({ nonsense: true }) as never }],
  ])('a store that %s costs no call its answer', async ([, own]) => {
    const { client } = clientBench([200], { fallback: { store: { ...memoryStore(), ...own } } });
    for (let call = 0; call < 3; call += 1) expect((await client.fetch(url)).status).toBe(200);
  });

  test('client.clear() alone rejects when the store fails', async () => {
    const broken: Store = { ...memoryStore(), clear: async () => Promise.reject(new Error('down')) };
    const { client } = clientBench([200], { fallback: { store: broken } });
    await expect(client.clear()).rejects.toThrow('down');
  });

  test('a fleet whose engine hangs makes no call slower, and its circuits decide alone', async () => {
    const clock = new FakeClock();
    const memory = new EngineMemory(clock);
    memory.faults.hangs = true;
    const upstream = { status: 501 };
    const client = createClient({
      clock,
      random: () => 0,
      breaker: { fleet: new EngineFleet(memoryEngine(memory)) },
      fetch: async () => new Response(null, { status: upstream.status }),
    });
    const fleet: SteadEvent[] = [];
    client.subscribe((event) => event.type === 'fleet' && fleet.push(event));
    for (let call = 0; call < 5; call += 1) await client.fetch(url);
    expect(clock.now()).toBe(0);
    expect(stateOf(client)).toBe('open');
    upstream.status = 200;
    await clock.advance(12_000);
    expect(fleet).toMatchObject([{ status: 'alone', reason: 'timeout' }]);
    await client.fetch(url);
    await client.fetch(url);
    expect(stateOf(client)).toBe('closed');
    // It is asked again without being told to.
    memory.faults.hangs = false;
    await clock.advance(60_000);
    expect(fleet.at(-1)).toMatchObject({ status: 'joined' });
  });

  test.for<[string, ClientOptions, RegExp]>([
    ['plain', {}, /^\| dependencies \| \S+, of about ([\d.]+) kB \|/m],
    [
      'with a window, an adaptive limit and hedges',
      { breaker: { window: { size: 1_000 } }, bulkhead: { maxConcurrent: 'adaptive' }, hedge: { percentile: 0.95 } },
      /with a window of 1,000 calls, an adaptive limit and hedges: about (\d+) kB \|/,
    ],
  ])('a dependency takes what the page says: %s', { timeout: 60_000 }, async ([, options, says]) => {
    const about = 1_000 * Number(says.exec(page)?.[1]);
    const client = createClient({ ...options, fetch: async () => new Response('ok') });
    const callAll = async (from: number, to: number): Promise<void> => {
      for (let host = from; host < to; host += 1) await (await client.fetch(`https://h${host}.test/`)).text();
    };
    await callAll(0, 1);
    const before = await bytesInUse();
    await callAll(1, 1_000);
    const bytesEach = ((await bytesInUse()) - before) / 999;
    // A heap is not measured to the byte.
    expect(bytesEach).toBeGreaterThan(about * 0.75);
    expect(bytesEach).toBeLessThan(about * 1.25);
    // Idle ones are forgotten.
    await callAll(1_000, 1_100);
    expect(Object.keys(client.snapshot().dependencies)).toHaveLength(1_000);
    expect((await client.fetch('https://h0.test/')).status).toBe(200);
  });
});

describe('rollout and upgrades', () => {
  test('a shadow says what a circuit would do, while none is there', async () => {
    const warned: string[] = [];
    vi.spyOn(console, 'warn').mockImplementation((text: string) => void warned.push(text));
    let status = 501;
    vi.stubGlobal('fetch', async () => new Response(null, { status }));
    const { client } = await load<{ client: Client }>(shadowPath);
    for (let call = 0; call < 4; call += 1) await client.fetch(url);
    status = 404;
    await client.fetch(url);
    status = 501;
    for (let call = 0; call < 4; call += 1) await client.fetch(url);
    // Neither is a failure of the dependency.
    status = 429;
    await client.fetch(url, { retry: false });
    await turn();
    expect(warned).toEqual([]);
    status = 501;
    for (let call = 0; call < 2; call += 1) await client.fetch(url);
    await turn();
    expect(warned).toEqual([`${origin} would go from closed to open`]);
    expect((await client.fetch(url)).status).toBe(501);
    vi.restoreAllMocks();
  });

  test("classify: () => 'ignored' keeps a circuit closed, and says so of everything", async () => {
    const { client, events } = clientBench([501], { breaker: { classify: () => 'ignored' } });
    for (let call = 0; call < 10; call += 1) await client.fetch(url);
    expect(stateOf(client)).toBe('closed');
    const outcomes = events.flatMap((event) => ('outcome' in event ? [event.outcome] : []));
    expect(new Set(outcomes)).toEqual(new Set(['ignored']));
    expect(countersOf(client)).toMatchObject({ failure: 0, ignored: 10 });
  });

  test('respond alone stores nothing', async () => {
    const { client } = clientBench([200, 501], { fallback: { respond: () => new Response('default') } });
    await client.fetch(url);
    expect(await (await client.fetch(url)).text()).toBe('default');
  });

  test('restore takes what an earlier version has said, and what a later one has added; garbage throws', async () => {
    const { client } = clientBench([501], { breaker: { failureThreshold: 1 } });
    await client.fetch(url);
    const snapshot = JSON.parse(JSON.stringify(client.snapshot()));
    const known = snapshot.dependencies[origin];
    for (const name of ['lastTransition', 'outageSince', 'maxConcurrent', 'maxQueued', 'hedgeAfterMs'])
      delete known[name];
    known.ofALaterVersion = 1;
    expect(stateOf(clientBench([200], { restore: snapshot }).client)).toBe('open');
    known.breaker.state = 'ajar';
    expect(() => createClient({ restore: snapshot })).toThrow(/breaker\.state/);
  });

  test('a stored answer of another version counts as none, is deleted, and told of', async () => {
    const key = `public GET ${url}`;
    const kept = new Map<string, unknown>([[key, { key, version: 2, answer: 'something else' }]]);
    const store: Store = {
      get: async (name) => kept.get(name) as never,
      set: async (name, entry) => void kept.set(name, entry),
      delete: async (name) => void kept.delete(name),
      clear: async () => kept.clear(),
    };
    const { client, clock, events } = clientBench([{ status: 503 }], { fallback: { store }, retry: false });
    const { status } = await client.fetch(url);
    expect(status).toBe(503);
    await clock.advance(0);
    expect(events).toContainEqual(expect.objectContaining({ type: 'store-error', reason: 'invalid' }));
    expect(kept.size).toBe(0);
  });

  test('the keys of a fleet name the version of what is told', async () => {
    const keys: string[] = [];
    const subscriber = {
      connect: async () => {},
      on: () => {},
      subscribe: async () => {},
      unsubscribe: async () => {},
      destroy: () => {},
    };
    const redis = {
      isReady: true,
      eval: async (_script: string, options: { readonly keys: string[] }) => {
        keys.push(...options.keys);
        throw new Error('NOSCRIPT');
      },
      duplicate: () => subscriber,
      destroy: () => {},
    };
    const fleet = redisFleet({ client: redis as never });
    const { client, clock } = clientBench([200], { breaker: { fleet } });
    await client.fetch(url);
    await clock.advance(100);
    expect(keys[0]).toBe(`steadfetch:fleet:1:{${origin}}`);
    await client.close();
    await fleet.close();
  });
});

function countersOf(client: Client) {
  return client.snapshot().dependencies[origin]?.counters ?? emptyCounters;
}

const emptyCounters = {
  calls: 0,
  attempts: 0,
  retries: 0,
  success: 0,
  failure: 0,
  ignored: 0,
  rejected: 0,
};

/** As GitHub makes it of a heading. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

/** Bytes in use when all that is garbage has gone. */
async function bytesInUse(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  for (let round = 0; round < 8; round += 1) {
    gc();
    await turn();
    await turn();
  }
  return process.memoryUsage().heapUsed;
}
