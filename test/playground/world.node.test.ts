import { expect, test } from 'vitest';

import { VirtualClock } from '../../lab/clock.ts';
import { type Breakage, breakages } from '../../playground/breakage.ts';
import { MOST_IN_A_MINUTE, MOST_UNDER_WAY } from '../../playground/load.ts';
import { readPolicy } from '../../playground/policy.ts';
import { presets } from '../../playground/presets.ts';
import { GATEWAY_MS, Server } from '../../playground/server.ts';
import type { Summary } from '../../playground/tally.ts';
import { World } from '../../playground/world.ts';
import type { ClientOptions } from '../../src/index.ts';
import { figuresIn, msOf, numberOf, shareOf } from '../docs/figures.ts';

const [readme] = presets;
const OFF = { deadlineMs: false, bulkhead: false, breaker: false, retry: false, attemptTimeoutMs: false } as const;
const SPAN_MS = 10_000;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function worldOf(name: string = readme.name): World {
  const preset = presets.find((each) => each.name === name) ?? readme;
  return new World(readPolicy(preset.text));
}

async function pass(world: World, ms: number): Promise<void> {
  await world.clock.run(world.clock.now() + ms);
}

/** Lets time pass until it stops, or half a minute has passed. */
async function passUntilExcess(world: World): Promise<void> {
  const until = world.now() + 30_000;
  while (world.step(until)) await nextTurn();
}

/** The shares of both, in the last ten seconds. */
function shares(world: World) {
  const of = (tally: World['bare']): Record<string, number> => {
    const { calls, counts } = tally.summary(SPAN_MS);
    expect(calls).toBeGreaterThan(50);
    return Object.fromEntries(Object.entries(counts).map(([fate, count]) => [fate, count / calls]));
  };
  return { steadfetch: of(world.steadfetch), bare: of(world.bare) };
}

function circuit(world: World): string | undefined {
  return world.client.snapshot().dependencies['https://users.internal']?.breaker?.state;
}

test('World answers everybody, quickly, while nothing is broken', async () => {
  const world = worldOf();
  await pass(world, 30_000);
  const { steadfetch, bare } = shares(world);
  expect([steadfetch['fresh'], bare['fresh']]).toEqual([expect.closeTo(1, 1), expect.closeTo(1, 1)]);
  expect(world.steadfetch.summary(SPAN_MS)).toMatchObject({ medianMs: expect.closeTo(90, -1.5), perCall: 1 });
  expect(circuit(world)).toBe('closed');
  expect(world.lines).toEqual([]);
});

test('World opens the circuit of a server that answers 503, and closes it when that is healed', async () => {
  const world = worldOf();
  await pass(world, 20_000);
  world.break('errors');
  await pass(world, 15_000);
  expect(circuit(world)).toBe('open');
  const during = shares(world);
  expect(during.bare['failed']).toBeCloseTo(1, 1);
  expect(during.steadfetch['fresh']).toBe(0);
  expect(during.steadfetch['degraded']).toBeGreaterThan(0.7);
  expect(during.steadfetch['failed']).toBeLessThan(0.05);
  expect(world.steadfetch.summary(SPAN_MS).perCall).toBeLessThan(0.1);
  expect(world.bare.summary(SPAN_MS).perCall).toBe(1);
  world.heal();
  await pass(world, 60_000);
  expect(circuit(world)).toBe('closed');
  const after = shares(world);
  expect([after.steadfetch['fresh'], after.bare['fresh']]).toEqual([expect.closeTo(1, 1), expect.closeTo(1, 1)]);
  expect(world.lines.map(({ text }) => text).toReversed()).toEqual([
    'You broke the server: it answers 503 to everything.',
    expect.stringMatching(/^The circuit opens: for 1\d(\.\d)? s, calls are not sent\.$/),
    'The circuit is half-open: one call goes out, as a probe.',
    expect.stringMatching(/^The probe failed: the circuit is open for another 2\d(\.\d)? s\.$/),
    'You healed the server.',
    'The circuit is half-open: one call goes out, as a probe.',
    'The probes succeeded: the circuit closes, and calls go out again.',
  ]);
  expect(world.outages).toEqual([{ from: 20_000, to: 35_000 }]);
});

test('World lets bare callers of a server that hangs wait, until the network has had enough', async () => {
  const world = worldOf();
  await pass(world, 20_000);
  world.break('hangs');
  await pass(world, 30_000);
  expect(shares(world).bare['waiting']).toBe(1);
  expect(world.bare.waiting).toBeGreaterThan(200);
  expect(world.steadfetch.waiting).toBeLessThan(30);
  expect(world.steadfetch.summary(SPAN_MS).medianMs).toBeLessThan(1);
  await pass(world, GATEWAY_MS);
  const before = world.bare.waiting;
  await pass(world, 10_000);
  expect(world.bare.waiting).toBeLessThan(before + 100); // they end as fast as they come
  world.heal();
  await pass(world, GATEWAY_MS);
  expect(shares(world).bare['fresh']).toBe(1);
  expect(world.bare.waiting).toBeLessThan(10);
});

test.for<[Breakage, (bare: Summary) => boolean]>([
  ['resets', ({ counts, calls }) => counts.failed > 0.95 * calls],
  ['slow', ({ medianMs = 0 }) => medianMs > 800],
  ['flaky', ({ counts, calls }) => counts.failed > 0.2 * calls && counts.failed < 0.45 * calls],
  ['overloaded', ({ counts, calls, medianMs = 0 }) => counts.failed > 0.2 * calls && medianMs > 1_000],
])('World breaks in the way %s, and heals', async ([breakage, isBroken]) => {
  const world = worldOf();
  await pass(world, 20_000);
  world.break(breakage);
  await pass(world, 20_000);
  expect(world.bare.summary(SPAN_MS)).toSatisfy(isBroken);
  const during = shares(world);
  // What users of the client are spared.
  expect(during.steadfetch['failed']).toBeLessThan(0.05);
  expect((during.steadfetch['fresh'] ?? 0) + (during.steadfetch['degraded'] ?? 0)).toBeGreaterThan(0.85);
  world.heal();
  await pass(world, 130_000);
  expect(circuit(world)).toBe('closed');
  const after = shares(world);
  expect([after.steadfetch['fresh'], after.bare['fresh']]).toEqual([expect.closeTo(1, 1), expect.closeTo(1, 1)]);
});

test('World breaks in one way at a time, and stays one outage', async () => {
  const world = worldOf();
  await pass(world, 10_000);
  world.break('overloaded');
  await pass(world, 5_000);
  world.break('resets');
  await pass(world, 20_000);
  expect(shares(world).bare['failed']).toBeCloseTo(1, 1);
  world.break('flaky');
  await pass(world, 20_000);
  expect(shares(world).bare['failed']).toBeLessThan(0.5);
  expect(world.outages).toEqual([{ from: 10_000 }]);
  world.heal();
  world.heal();
  expect(world.outages).toEqual([{ from: 10_000, to: 55_000 }]);
  expect(world.breakage).toBe(undefined);
});

test('World forgets outages that nobody sees any more', async () => {
  const world = worldOf();
  for (let nth = 0; nth < 4; nth += 1) {
    world.break('errors');
    await pass(world, 5_000);
    world.heal();
    await pass(world, 40_000);
  }
  world.break('errors');
  expect(world.outages).toEqual([{ from: 135_000, to: 140_000 }, { from: 180_000 }]);
});

test('World shows what retries without a bound do: five times the requests', async () => {
  const world = worldOf('Retries alone');
  world.break('errors');
  await pass(world, 20_000);
  expect(world.steadfetch.summary(SPAN_MS).perCall).toBeCloseTo(5, 0);
  expect(world.bare.summary(SPAN_MS).perCall).toBe(1);
});

test('World is two of the same with a policy without any layer', async () => {
  const world = worldOf('No resilience');
  await pass(world, 10_000);
  world.break('overloaded');
  await pass(world, 30_000);
  expect(world.steadfetch.summary(60_000)).toEqual(world.bare.summary(60_000));
});

test('World.apply() goes on with another policy, and with the one before if it makes no sense', async () => {
  const world = worldOf();
  world.break('errors');
  await pass(world, 10_000);
  const first = world.client;
  expect(circuit(world)).toBe('open');
  expect(() => world.apply({ retry: { maxAttempts: 0 } })).toThrow('retry.maxAttempts');
  expect(world.client).toBe(first);
  world.apply(OFF);
  await pass(world, 11_000);
  expect(circuit(world)).toBe(undefined);
  const { steadfetch, bare } = shares(world);
  expect(steadfetch).toEqual(bare);
  expect(bare['failed']).toBeCloseTo(1, 1);
  await expect(first.fetch('https://users.internal/')).rejects.toMatchObject({ code: 'CLOSED' });
  expect(world.lines[0]?.text).toMatch(/^You applied a policy/);
});

test.for<[string, Breakage, string, string]>([
  [
    'too many requests under way at once',
    'hangs',
    '{ hedge: { afterMs: 0.001, maxExtra: 100000 }, retry: { budget: false }, bulkhead: false }',
    '10,000 requests are under way at once',
  ],
  [
    'too many requests, one after the other',
    'resets',
    `{ deadlineMs: false, retry: { maxAttempts: 1e9, initialDelayMs: 0, maxDelayMs: 0, budget: false }, bulkhead: false,
       breaker: false }`,
    '50,000 requests were sent within a minute',
  ],
  [
    'too many requests in no time',
    'hangs',
    `{ deadlineMs: false, attemptTimeoutMs: 1e-300, bulkhead: false, breaker: false,
       retry: { maxAttempts: 1e9, initialDelayMs: 0, maxDelayMs: 0, budget: false } }`,
    '50,000 requests were sent within a minute',
  ],
])(
  'World stops before a policy fills the page with %s, and goes on with another',
  async ([, breakage, text, excess]) => {
    const world = new World(readPolicy(text));
    world.break(breakage);
    await passUntilExcess(world);
    expect(world.excess).toBe(excess);
    const stoppedAt = world.now();
    expect(world.step(stoppedAt + 1_000)).toBe(false);
    expect(world.now()).toBe(stoppedAt);

    world.apply(readPolicy(readme.text));
    expect(world.excess).toBe(undefined);
    await passUntilExcess(world);
    expect(world.now()).toBe(stoppedAt + 30_000);
    expect(circuit(world)).toBe('open');
    expect(world.steadfetch.waiting).toBeLessThan(30);
  },
);

test('World.usersPerSecond is how many calls there are', async () => {
  const world = worldOf();
  world.usersPerSecond = 50;
  await pass(world, 20_000);
  expect(world.bare.summary(SPAN_MS).calls).toBeGreaterThan(400);
  expect(world.bare.summary(SPAN_MS).calls).toBeLessThan(600);
});

// What docs/playground.md says.

/** What the page has in the place of the groups. */
const page = (says: RegExp): string[] => figuresIn('playground', says);

test('World has retries at an overloaded server make of it what the page says', async () => {
  const [times = ''] = page(
    /\*Retries alone\* and \*Overload\*: each call is sent (\w+) times .* and nobody is answered, where the bare `fetch` still gets more than half of its answers\./,
  );
  const world = worldOf('Retries alone');
  await pass(world, 20_000);
  world.break('overloaded');
  await pass(world, 30_000);
  const { steadfetch, bare } = shares(world);
  expect(steadfetch['fresh']).toBe(0);
  expect(world.steadfetch.summary(SPAN_MS).perCall).toBeCloseTo(numberOf(times), 0);
  expect(bare['fresh']).toBeGreaterThan(0.5);
});

test('World has a flaky server, and an impatient policy, cost what the page says', async () => {
  const [percent, perFlaky = ''] = page(
    /\*Flaky (\d+) %\*: with retries nearly everybody is answered, for (\S+) requests per call\./,
  );
  expect(breakages.flaky.label).toBe(`Flaky ${percent} %`);
  const flaky = worldOf();
  flaky.break('flaky');
  await pass(flaky, 60_000);
  const { counts, calls, perCall } = flaky.steadfetch.summary(60_000);
  expect(counts.fresh / calls).toBeGreaterThan(0.94);
  expect(perCall).toBeCloseTo(numberOf(perFlaky), 1);

  const [share = ''] = page(
    /\*Impatient\*, with nothing broken: a server that is well loses (a \w+) of its answers to the attempt timeout, and is asked for them again\./,
  );
  const impatient = worldOf('Impatient');
  await pass(impatient, 60_000);
  expect(impatient.steadfetch.summary(60_000).perCall).toBeCloseTo(1 + shareOf(share), 1);
});

test('World has bare callers of a server that hangs wait for as long as the page says', () => {
  const [span = ''] = page(/they do so until the network in between gives up on them, after (a \w+)\./);
  expect(GATEWAY_MS).toBe(msOf(span));
});

/** How long after it is healed a server that was broken for a while is asked, and answers, over the client and without. */
async function healed(policy: ClientOptions): Promise<{ steadfetch: number; bare: number }> {
  const world = new World(policy);
  await pass(world, 5_000);
  world.break('errors');
  await pass(world, 40_000);
  world.heal();
  const healedAt = world.now();
  const found = { steadfetch: Number.NaN, bare: Number.NaN };
  while (Number.isNaN(found.steadfetch) || Number.isNaN(found.bare)) {
    await pass(world, 500);
    for (const who of ['steadfetch', 'bare'] as const) {
      if (Number.isNaN(found[who]) && world[who].summary(500).counts.fresh > 0) found[who] = world.now() - healedAt;
    }
  }
  return found;
}

test('World has who asks without a circuit breaker answered at once, and the client by its probe', async () => {
  page(
    /Who asks without a circuit breaker is answered at once; the client waits for its probe, .* Shorten `resetTimeoutMs`, and it is back sooner\./,
  );
  const policy = readPolicy(readme.text);
  const long = await healed(policy);
  expect(long.bare).toBeLessThanOrEqual(1_000);
  expect(long.steadfetch).toBeGreaterThan(10_000);
  const short = await healed({ ...policy, breaker: { resetTimeoutMs: 500, maxResetTimeoutMs: 2_000 } });
  expect(short.steadfetch).toBeLessThan(long.steadfetch / 2);
});

test('World has what came from the store refused, at once, without fallback in the policy', async () => {
  page(/Take `fallback` out of the policy: what came from the store is refused, at once\./);
  const { fallback, ...bare } = readPolicy(readme.text);
  const [withStore, without] = await Promise.all(
    [{ ...bare, fallback }, bare].map(async (policy) => {
      const world = new World(policy as ClientOptions);
      await pass(world, 20_000);
      world.break('errors');
      await pass(world, 15_000);
      return world.steadfetch.summary(SPAN_MS);
    }),
  );
  expect(withStore?.counts.degraded).toBeGreaterThan(50);
  expect(without?.counts.degraded).toBe(0);
  const refused = (without?.counts.refused ?? 0) - (withStore?.counts.refused ?? 0);
  expect(Math.abs(refused - (withStore?.counts.degraded ?? 0))).toBeLessThanOrEqual(2);
  expect(without?.medianMs).toBeLessThan(1);
});

test('Server is the one that the page describes', async () => {
  const [atOnce = '', took = '', waiting = '', crowd = '', can = ''] = page(
    /it works on (\w+) requests at a time, for (\d+) ms or so each, keeps (\d+) waiting, and answers 503 to more\. \*Overload\* is (\d+) requests a second from elsewhere, where it can do about (\d+)\./,
  );
  const clock = new VirtualClock();
  const server = new Server(clock, 1);
  const ends: { status: number; at: number }[] = [];
  const ask = async (): Promise<void> => {
    const { status } = await server.fetch('https://users.internal/');
    ends.push({ status, at: clock.now() });
  };
  const room = numberOf(atOnce) + numberOf(waiting);
  for (let request = 0; request < room + 7; request += 1) void ask();
  await clock.run(10_000);
  const answered = ends.filter(({ status }) => status === 200);
  expect([answered.length, ends.filter(({ status }) => status === 503).length]).toEqual([room, 7]);
  // The last one waited for all others.
  const perSecond = (room / (answered.at(-1)?.at ?? 0)) * 1_000;
  expect(Math.abs(perSecond / numberOf(can) - 1)).toBeLessThan(0.1);
  const times: number[] = [];
  for (let request = 0; request < 201; request += 1) {
    const startedAt = clock.now();
    const one = ask().then(() => times.push(clock.now() - startedAt));
    await clock.run(clock.now() + 2_000);
    await one;
  }
  const median = times.sort((a, b) => a - b)[100] ?? 0;
  expect(Math.abs(median / numberOf(took) - 1)).toBeLessThan(0.15);

  // Its places are taken by as many a second as it can't do.
  const from = clock.now();
  server.breakage = 'overloaded';
  for (ends.length = 0; !ends.some(({ status }) => status === 503); ) {
    void ask();
    await clock.run(clock.now() + 100);
  }
  const fullAfterS = ((ends.at(-1)?.at ?? 0) - from) / 1_000;
  const ours = ends.length / fullAfterS;
  expect(Math.abs((perSecond + room / fullAfterS - ours) / numberOf(crowd) - 1)).toBeLessThan(0.1);
  server.breakage = undefined;
});

test('Users come as often while the server is slow, as the page says', async () => {
  page(/Users don't wait for each other: they come as often when it is slow\./);
  const [slow, well] = [worldOf('No resilience'), worldOf('No resilience')];
  slow.break('slow');
  await Promise.all([slow, well].map((world) => pass(world, 20_000)));
  expect(slow.bare.summary(SPAN_MS).medianMs).toBeGreaterThan(1_000);
  expect(slow.bare.summary(SPAN_MS).calls).toBe(well.bare.summary(SPAN_MS).calls);
});

test('What is too much for the page is what it says', () => {
  const [underWay, waiting, inAMinute] = page(
    /more than the page can hold \((\S+) requests under way, or (callers waiting), or (\S+) requests in a minute\)/,
  );
  expect([underWay, waiting, inAMinute]).toEqual([
    ...[MOST_UNDER_WAY.toLocaleString('en'), 'callers waiting', MOST_IN_A_MINUTE.toLocaleString('en')],
  ]);
});
