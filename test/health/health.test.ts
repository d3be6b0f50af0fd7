import { expect, test, vi } from 'vitest';

import {
  createHealth,
  dependsOn,
  type Health,
  type HealthOptions,
  type HealthReport,
  type TimedCheck,
} from '../../src/health/index.ts';
import type { Clock } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { clientBench, url } from '../client/bench.ts';

interface Bench {
  readonly clock: FakeClock;
  readonly health: Health;
  /** Asks, and gives the status of the answer and what it says. */
  readonly ask: (path: string, init?: RequestInit) => Promise<[status: number, report: HealthReport]>;
}

/** The methods of a clock, as an object of its own: to change one of them. */
function clockOf(clock: FakeClock): Clock {
  return {
    now: () => clock.now(),
    epochNow: () => clock.epochNow(),
    schedule: (delayMs, callback) => clock.schedule(delayMs, callback),
    timeoutSignal: (delayMs) => clock.timeoutSignal(delayMs),
  };
}

function healthBench(options: HealthOptions = {}): Bench {
  const clock = new FakeClock({ epochNow: Date.UTC(2026, 0, 1) });
  const health = createHealth({ clock, ...options });
  return {
    clock,
    health,
    async ask(path, init) {
      const response = await health.handler(new Request(`https://service.test${path}`, init));
      if (response === undefined) throw new Error('It was not answered');
      return [response.status, await response.json()];
    },
  };
}

const endpoints = [
  ['/livez', 'liveness'],
  ['/readyz', 'readiness'],
  ['/startupz', 'startup'],
] as const;

test.for(endpoints)('createHealth() passes %s without a check', async ([path]) => {
  expect(await healthBench().ask(path)).toEqual([200, { status: 'pass' }]);
});

test.for(['/', '/livez/', '/readyz/x', '/healthz', '/constructor', '/LIVEZ'])(
  'createHealth() leaves %s to others',
  async (path) => {
    expect(await createHealth().handler(new Request(`https://service.test${path}`))).toBeUndefined();
  },
);

test.for<{ readonly what: string; readonly check: (signal: AbortSignal) => unknown; readonly report: unknown }>([
  { what: 'gives nothing', check: () => undefined, report: ['pass', [{ status: 'pass' }]] },
  { what: 'gives true', check: () => true, report: ['pass', [{ status: 'pass' }]] },
  { what: 'gives false', check: async () => false, report: ['fail', [{ status: 'fail' }]] },
  {
    what: 'warns',
    check: () => ({ status: 'warn', output: 'nearly full', observedValue: 93, observedUnit: 'percent' }),
    report: ['warn', [{ status: 'warn', output: 'nearly full', observedValue: 93, observedUnit: 'percent' }]],
  },
  {
    what: 'throws',
    check: () => {
      throw new TypeError('the password is secret');
    },
    report: ['fail', [{ status: 'fail', output: 'TypeError' }]],
  },
  {
    what: 'rejects with a code',
    check: () => Promise.reject(Object.assign(new Error('at 10.0.0.1'), { code: 'ECONNREFUSED' })),
    report: ['fail', [{ status: 'fail', output: 'ECONNREFUSED' }]],
  },
  {
    what: 'rejects with no error',
    check: () => Promise.reject('secret'),
    report: ['fail', [{ status: 'fail', output: 'Error' }]],
  },
  {
    what: 'rejects with a code that is none',
    check: () => Promise.reject(Object.assign(new Error(), { code: 'a secret', name: 'so secret' })),
    report: ['fail', [{ status: 'fail', output: 'Error' }]],
  },
  {
    what: 'looks at several things',
    check: () => [
      { status: 'pass', componentId: 'a' },
      { status: 'fail', componentId: 'b' },
    ],
    report: [
      'fail',
      [
        { status: 'pass', componentId: 'a' },
        { status: 'fail', componentId: 'b' },
      ],
    ],
  },
  {
    what: 'gives what is no JSON',
    check: () => ({ status: 'pass', observedValue: 1n, output: {}, more: 'x' }),
    report: ['pass', [{ status: 'pass' }]],
  },
  {
    what: 'throws on being looked at',
    check: () => ({
      get status() {
        throw new RangeError();
      },
    }),
    report: ['fail', [{ status: 'fail', output: 'RangeError' }]],
  },
  {
    what: 'throws what throws on being looked at',
    check: () => {
      throw Object.defineProperty(new Error(), 'code', {
        get() {
          throw new Error('mine');
        },
      });
    },
    report: ['fail', [{ status: 'fail', output: 'Error' }]],
  },
  {
    what: 'throws what has another name each time',
    check: () => {
      let asked = 0;
      throw Object.defineProperty(new Error(), 'name', {
        get() {
          asked += 1;
          return asked > 1 ? 5n : 'Odd';
        },
      });
    },
    report: ['fail', [{ status: 'fail', output: 'Odd' }]],
  },
  {
    what: 'throws a revoked proxy',
    check: () => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      throw proxy;
    },
    report: ['fail', [{ status: 'fail', output: 'Error' }]],
  },
  {
    what: 'gives promises of findings, of which one rejects',
    check: () => [Promise.resolve(true), Promise.reject(new TypeError('down'))],
    report: ['fail', [{ status: 'fail', output: 'TypeError' }]],
  },
  {
    what: 'gives promises of findings',
    check: () => [Promise.resolve({ status: 'warn' }), true, undefined],
    report: ['warn', [{ status: 'warn' }, { status: 'pass' }, { status: 'pass' }]],
  },
  { what: 'gives a good Response', check: async () => new Response('ok'), report: ['pass', [{ status: 'pass' }]] },
  {
    what: 'gives a bad Response',
    check: async () => new Response('no', { status: 503 }),
    report: ['fail', [{ status: 'fail', output: 'status-503' }]],
  },
  {
    what: 'gives what is like a bad Response',
    check: () => ({ ok: false, status: 503, headers: {} }),
    report: ['fail', [{ status: 'fail', output: 'status-503' }]],
  },
  {
    what: 'gives what is like a good Response',
    check: () => ({ ok: true, status: 200, body: 'ok' }),
    report: ['pass', [{ status: 'pass' }]],
  },
  { what: 'says that it is not well', check: () => ({ ok: false }), report: ['fail', [{ status: 'fail' }]] },
  {
    what: 'says so of several things',
    check: () => [{ ok: true }, { ok: false, status: null }],
    report: ['fail', [{ status: 'pass' }, { status: 'fail' }]],
  },
  { what: 'says that it is well', check: () => ({ ok: true, rows: 1 }), report: ['pass', [{ status: 'pass' }]] },
  { what: 'gives what is no yes or no', check: () => ({ ok: 0, status: 503 }), report: ['pass', [{ status: 'pass' }]] },
  {
    what: 'gives a finding that has more in it',
    check: () => ({ status: 'warn', ok: false }),
    report: ['warn', [{ status: 'warn' }]],
  },
  { what: 'gives something with a status', check: () => ({ status: 200 }), report: ['pass', [{ status: 'pass' }]] },
  {
    what: 'measures what is no number',
    check: () => ({ status: 'pass', observedValue: Number.NaN, observedUnit: 'ms' }),
    report: ['pass', [{ status: 'pass', observedUnit: 'ms' }]],
  },
  { what: 'gives null', check: () => null, report: ['pass', [{ status: 'pass' }]] },
  {
    what: 'observes yes or no',
    check: () => ({ status: 'pass', observedValue: true }),
    report: ['pass', [{ status: 'pass', observedValue: true }]],
  },
  {
    what: 'gives a status that is none',
    check: () => ({ status: 'ok' }),
    report: ['fail', [{ status: 'fail', output: 'status must be "pass", "warn" or "fail", got "ok"' }]],
  },
])('createHealth() reports on a check that $what', async ({ check, report }) => {
  for (const [path, name] of endpoints) {
    const { ask } = healthBench({ [name]: { disk: check } });
    const [status, { status: verdict, checks }] = await ask(`${path}?verbose`);
    const found = checks?.['disk']?.map(({ time, ...rest }) => {
      expect(time).toBe('2026-01-01T00:00:00.000Z');
      return rest;
    });
    expect([verdict, found]).toEqual(report);
    expect(status).toBe(verdict === 'fail' ? 503 : 200);
    expect(await ask(path)).toEqual([status, { status: verdict }]);
  }
});

test('createHealth() tells how long a check took', async () => {
  const { clock, ask } = healthBench({
    liveness: { loop: () => new Promise<void>((resolve) => void clock.schedule(120, resolve)) },
  });
  const answer = ask('/livez?verbose');
  await clock.advance(120);
  const time = '2026-01-01T00:00:00.000Z';
  expect(await answer).toEqual([
    200,
    {
      status: 'pass',
      checks: {
        loop: [{ status: 'pass', time }],
        'loop:responseTime': [{ status: 'pass', observedValue: 120, observedUnit: 'ms', time }],
      },
    },
  ]);
});

test('createHealth() answers HEAD without a body, other methods with 405, and lets nobody cache', async () => {
  const { health } = healthBench({ readiness: { no: () => false } });
  const head = await health.handler(new Request('https://service.test/readyz?verbose', { method: 'HEAD' }));
  expect(head?.status).toBe(503);
  expect(await head?.text()).toBe('');
  expect(head?.headers.get('content-type')).toBe('application/health+json');
  expect(head?.headers.get('cache-control')).toBe('no-store');
  const post = await health.handler(new Request('https://service.test/readyz', { method: 'POST' }));
  expect([post?.status, post?.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('createHealth() carries checks out side by side, each within its own time', async () => {
  const signals: AbortSignal[] = [];
  const hang = (signal: AbortSignal): Promise<never> => {
    signals.push(signal);
    return new Promise(() => {});
  };
  const { clock, ask } = healthBench({
    readiness: { one: hang, two: { run: hang, timeoutMs: 300 }, three: () => true },
  });
  const answer = ask('/readyz?verbose');
  await clock.advance(300);
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, true]);
  expect(signals[1]?.reason).toMatchObject({ name: 'TimeoutError' });
  await clock.advance(700);
  const [status, { checks }] = await answer;
  expect(status).toBe(503);
  const outputs = ['one', 'two', 'three'].map((name) => checks?.[name]?.[0]?.output);
  expect(outputs).toEqual(['timeout', 'timeout', undefined]);
  expect(clock.pending).toBe(0);
});

test('createHealth() takes a check that fails after its time for the failure it was', async () => {
  const unhandled = vi.fn();
  globalThis.addEventListener?.('unhandledrejection', unhandled);
  const { clock, ask } = healthBench({
    liveness: { late: () => new Promise((_, reject) => void clock.schedule(2_000, () => reject(new Error('late')))) },
  });
  const answer = ask('/livez');
  await clock.advance(1_000);
  expect(await answer).toEqual([503, { status: 'fail' }]);
  await clock.advance(1_000);
  globalThis.removeEventListener?.('unhandledrejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test('createHealth() asks once for a thousand probes a second', async () => {
  let asked = 0;
  const { clock, ask } = healthBench({
    readiness: {
      slow() {
        asked += 1;
        return new Promise<void>((resolve) => void clock.schedule(100, resolve));
      },
    },
  });
  const probes = Array.from({ length: 1_000 }, () => ask('/readyz'));
  await clock.advance(100);
  for (const probe of probes) expect(await probe).toEqual([200, { status: 'pass' }]);
  expect(asked).toBe(1);
  await clock.advance(999);
  await ask('/readyz');
  expect(asked).toBe(1);
  await clock.advance(1);
  const again = ask('/readyz');
  await clock.advance(100);
  await again;
  expect(asked).toBe(2);
  expect(clock.pending).toBe(0);
});

test('createHealth() asks each time, with a cacheMs of 0', async () => {
  const check = vi.fn();
  const { ask } = healthBench({ liveness: { check }, cacheMs: 0 });
  await ask('/livez');
  await ask('/livez');
  expect(check).toHaveBeenCalledTimes(2);
});

test('createHealth() does not wait for checks that are frozen with the request they began in', async () => {
  let frozen = true;
  let asked = 0;
  const clock = new FakeClock();
  // On Workers, the timers of a request stop when it ends.
  const schedule: FakeClock['schedule'] = (delayMs, callback) => clock.schedule(delayMs, () => frozen || callback());
  const { ask } = healthBench({
    clock: { ...clockOf(clock), schedule },
    liveness: {
      check() {
        asked += 1;
        return asked === 1 ? new Promise(() => {}) : true;
      },
    },
  });
  void ask('/livez');
  await clock.advance(1_500);
  frozen = false;
  const second = ask('/livez');
  await clock.advance(500);
  expect(await second).toEqual([503, { status: 'fail', output: 'lost' }]);
  expect(await ask('/livez')).toEqual([200, { status: 'pass' }]);
});

// Startup, readiness, draining.

test('createHealth() is not ready until it has started, and asks that no more then', async () => {
  let isUp = false;
  const startup = vi.fn(() => isUp);
  const readiness = vi.fn();
  const { clock, ask } = healthBench({ startup: { migrated: startup }, readiness: { readiness } });
  expect(await ask('/readyz')).toEqual([503, { status: 'fail', output: 'starting' }]);
  expect(await ask('/startupz')).toEqual([503, { status: 'fail' }]);
  expect(await ask('/livez')).toEqual([200, { status: 'pass' }]);
  expect(readiness).not.toHaveBeenCalled();
  expect(startup).toHaveBeenCalledTimes(1);
  isUp = true;
  await clock.advance(1_000);
  expect(await ask('/readyz')).toEqual([200, { status: 'pass' }]);
  isUp = false;
  await clock.advance(60_000);
  expect((await ask('/startupz?verbose'))[1]).toMatchObject({
    status: 'pass',
    checks: { migrated: [{ status: 'pass' }] },
  });
  expect(await ask('/readyz')).toEqual([200, { status: 'pass' }]);
  expect(startup).toHaveBeenCalledTimes(2);
});

test('createHealth() is not ready while it drains, alive all the same, and ready again if it is called off', async () => {
  const check = vi.fn();
  const { health, ask } = healthBench({ readiness: { check } });
  health.draining = true;
  expect(await ask('/readyz?verbose')).toEqual([503, { status: 'fail', output: 'draining' }]);
  expect(check).not.toHaveBeenCalled();
  expect(await ask('/livez')).toEqual([200, { status: 'pass' }]);
  expect(await ask('/startupz')).toEqual([200, { status: 'pass' }]);
  health.draining = false;
  expect(await ask('/readyz')).toEqual([200, { status: 'pass' }]);
});

test('createHealth() is not ready if draining begins while it looks', async () => {
  const { clock, health, ask } = healthBench({
    readiness: { slow: () => new Promise<void>((resolve) => void clock.schedule(100, resolve)) },
  });
  const answer = ask('/readyz');
  await clock.advance(50);
  health.draining = true;
  await clock.advance(50);
  expect(await answer).toEqual([503, { status: 'fail', output: 'draining' }]);
});

test('createHealth() tells that it drains, also where it has not started', async () => {
  const { clock, health, ask } = healthBench({ startup: { never: () => new Promise(() => {}) } });
  const answer = ask('/readyz');
  health.draining = true;
  await clock.advance(1_000);
  expect(await answer).toEqual([503, { status: 'fail', output: 'draining' }]);
});

test('createHealth() shows what the start waits for', async () => {
  const { ask } = healthBench({ startup: { migrated: () => false } });
  expect((await ask('/readyz?verbose'))[1]).toMatchObject({
    status: 'fail',
    output: 'starting',
    checks: { migrated: [{ status: 'fail' }] },
  });
});

// What a hostile reviewer found.

test('createHealth() asks a check once that asks its own endpoint', async () => {
  let asked = 0;
  const bench: Bench = healthBench({
    liveness: {
      async self() {
        asked += 1;
        return (await bench.ask('/livez'))[0] === 200;
      },
    },
  });
  const answer = bench.ask('/livez');
  await bench.clock.advance(1_000);
  expect(await answer).toEqual([503, { status: 'fail' }]);
  expect(asked).toBe(1);
});

test('createHealth() fails a check that blocks for longer than it may', async () => {
  const inner = new FakeClock();
  let blockedMs = 0;
  const { ask } = healthBench({
    liveness: {
      loop: {
        timeoutMs: 100,
        run() {
          blockedMs = 300;
        },
      },
    },
    clock: { ...clockOf(inner), now: () => inner.now() + blockedMs },
  });
  const [status, { checks }] = await ask('/livez?verbose');
  expect([status, checks?.['loop']?.[0]?.output]).toEqual([503, 'timeout']);
});

test.for(['http://a b/livez?verbose', '/livez?verbose', 'https://x.test/livez?a=1&verbose=#x'])(
  'createHealth() answers whatever host it is asked by: %s',
  async (asked) => {
    const response = await createHealth().handler({ url: asked, method: 'GET' } as Request);
    expect(await response?.json()).toEqual({ status: 'pass', checks: {} });
    const other = await createHealth().handler({ url: asked.replace('livez', 'users'), method: 'GET' } as Request);
    expect(other).toBeUndefined();
  },
);

test('createHealth() shows checks of names that look like its own, and a time only where there is one', async () => {
  const { ask } = healthBench({
    clock: new FakeClock({ epochNow: 9e15 }),
    liveness: { 'a:responseTime': () => false, a: () => true },
  });
  const [, { checks }] = await ask('/livez?verbose');
  expect(checks?.['a:responseTime']?.map(({ status }) => status)).toEqual(['fail', 'pass']);
  expect(checks?.['a']).toEqual([{ status: 'pass' }]);
});

// dependsOn()

test('dependsOn() tells the state of each circuit, and calls nobody', async () => {
  const { client, clock, upstream } = clientBench([503, 503, 200], {
    retry: false,
    breaker: { failureThreshold: 2, successThreshold: 1, resetTimeoutMs: 5_000 },
  });
  const { ask } = healthBench({ clock, readiness: { users: dependsOn(client) } });
  const look = async () => {
    const [status, { status: verdict, checks }] = await ask('/readyz?verbose');
    return [status, verdict, checks?.['users']?.map(({ componentId, observedValue }) => [componentId, observedValue])];
  };
  expect(await look()).toEqual([200, 'pass', []]);
  await client.fetch(url);
  await client.fetch(url);
  await clock.advance(1_000);
  expect(await look()).toEqual([503, 'fail', [['https://users.test', 'open']]]);
  // Due for a probe, it lets traffic in again: nobody else would find out that the dependency is back.
  await clock.advance(4_000);
  expect(await look()).toEqual([200, 'warn', [['https://users.test', 'half-open']]]);
  const { calls } = upstream;
  await client.fetch(url);
  await clock.advance(1_000);
  expect(await look()).toEqual([200, 'pass', [['https://users.test', 'closed']]]);
  expect(upstream.calls).toBe(calls + 1);
});

test('dependsOn() warns of what the service can do without, and passes over what does not count', async () => {
  const { client, clock } = clientBench([503], { retry: false, breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  const { ask } = healthBench({
    clock,
    readiness: {
      degraded: dependsOn(client, { whenOpen: 'warn' }),
      elsewhere: dependsOn(client, { dependencies: ['https://orders.test'] }),
    },
  });
  const [status, { status: verdict, checks }] = await ask('/readyz?verbose');
  expect([status, verdict]).toEqual([200, 'warn']);
  expect(checks?.['degraded']?.map((each) => each.status)).toEqual(['warn']);
  expect(checks?.['elsewhere']).toEqual([]);
  const named = healthBench({
    clock,
    readiness: { users: dependsOn(client, { dependencies: ['https://users.test'] }) },
  });
  expect((await named.ask('/readyz'))[0]).toBe(503);
});

test('dependsOn() takes a client without circuits for well', async () => {
  const { client } = clientBench([503], { retry: false, breaker: false });
  await client.fetch(url);
  expect(await healthBench({ readiness: { users: dependsOn(client) } }).ask('/readyz')).toEqual([
    200,
    { status: 'pass' },
  ]);
});

// Arguments.

const { client } = clientBench([200]);

test('createHealth() refuses a dependency in liveness, and so do its types', () => {
  // @ts-expect-error: it is no check like any other either.
  const timed: TimedCheck = dependsOn(client);
  expect(timed.dependency).toBe(true);
  // @ts-expect-error: to start anew what needs something that is down helps nobody.
  const create = () => createHealth({ liveness: { users: dependsOn(client) } });
  expect(create).toThrow('createHealth.liveness.users must not be about a dependency: put it into readiness');
});

test.for<[options: unknown, message: string]>([
  [
    { live: {} },
    'createHealth.live is not an option; there are liveness, readiness, startup, cacheMs, timeoutMs, clock',
  ],
  [{ readiness: [] }, 'createHealth.readiness must be an object of checks by their names, got an array'],
  [{ readiness: new Map() }, 'createHealth.readiness must be an object of checks by their names, got an object'],
  [
    { readiness: Promise.resolve({}) },
    'createHealth.readiness must be an object of checks by their names, got an object',
  ],
  [{ readiness: null }, 'createHealth.readiness must be an object of checks by their names, got null'],
  [{ readiness: 'a' }, 'createHealth.readiness must be an object of checks by their names, got "a"'],
  [{ readiness: { a: null } }, 'createHealth.readiness.a must be a function or { run, timeoutMs }, got null'],
  [{ readiness: { a: true } }, 'createHealth.readiness.a must be a function or { run, timeoutMs }, got true'],
  [{ startup: { a: {} } }, 'createHealth.startup.a.run must be a function, got undefined'],
  [
    { startup: { a: { run() {}, timeout: 5 } } },
    'createHealth.startup.a.timeout is not an option; there are run, timeoutMs, dependency',
  ],
  [
    { liveness: { a: { run() {}, timeoutMs: 0 } } },
    'createHealth.liveness.a.timeoutMs must be a number above 0, got 0',
  ],
  [{ cacheMs: -1 }, 'createHealth.cacheMs must be a number of at least 0, got -1'],
  [{ timeoutMs: '1s' }, 'createHealth.timeoutMs must be a number above 0, got "1s"'],
  [null, 'createHealth must be an object, got null'],
])('createHealth(%j) is refused', ([options, message]) => {
  expect(() => createHealth(options as HealthOptions)).toThrow(message);
});

test.for<[given: unknown, options: unknown, message: string]>([
  [undefined, {}, 'client must be a steadfetch client, got undefined'],
  [client, { whenOpen: 'pass' }, 'dependsOn.whenOpen must be "fail" or "warn", got "pass"'],
  [client, { dependencies: 'a' }, 'dependsOn.dependencies must be an array of strings, got "a"'],
  [client, { dependencies: ['a', 5] }, 'dependsOn.dependencies must be an array of strings, got 5'],
  [client, { only: [] }, 'dependsOn.only is not an option; there are dependencies, whenOpen'],
])('dependsOn(%j, %j) is refused', ([given, options, message]) => {
  expect(() => dependsOn(given as typeof client, options as object)).toThrow(message);
});
