import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { FLEET_SCRIPT } from '../../src/fleet/redis-script.ts';
import { EMPTY_RECORD, leased, reported, stateOf } from '../../src/model/fleet.ts';
import { numberOf } from '../docs/figures.ts';
import { type Redis, RedisServer } from '../support/redis-server.ts';

// The script against the model. Redis has a clock of its own, which can't be set: spans are far longer than a test, or over.
let server: RedisServer;
let redis: Redis;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = await server.client();
});

afterAll(() => server.end());

const LONG = 10_000_000;
const span = fc.constantFrom(0, LONG);
const by = fc.constantFrom('a', 'b', 'c');
const back = fc.integer({ min: 0, max: 2 });
const step = fc.oneof(
  fc.record({ kind: fc.constant('down' as const), by, span }),
  fc.record({ kind: fc.constantFrom('failed' as const, 'recovered' as const), by, span, back }),
  fc.record({ kind: fc.constant('lease' as const), by, span }),
  fc.record({ kind: fc.constant('read' as const), by, span }),
);

test('the script says what the model says, after any sequence of questions', { timeout: 120_000 }, async () => {
  let run = 0;
  let most = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 3 }), async (steps, quorum) => {
      run += 1;
      const key = `rules:{${run}}`;
      let record = EMPTY_RECORD;
      const tokens: number[] = [0, 0, 0];
      for (const { kind, ...rest } of steps) {
        // A lease that is over at once would be over for both, but a millisecond apart.
        const spanMs = kind === 'lease' ? LONG : rest.span;
        const token = 'back' in rest ? (tokens.at(-1 - rest.back) ?? 0) : 0;
        const args = [kind, rest.by, quorum, spanMs, token, `${key}:changes`, 60_000, 0].map(String);
        const said = JSON.parse(String(await redis.eval(FLEET_SCRIPT, { keys: [key], arguments: args })));
        let granted: number | undefined;
        if (kind === 'lease') {
          const { record: next, answer } = leased(record, rest.by, spanMs, 0);
          record = next;
          granted = answer.token;
          if (granted !== undefined) tokens.push(granted);
          expect(said.waitMs > 0).toBe(answer.waitMs > 0);
        } else if (kind === 'down') record = reported(record, rest.by, { kind, retryAfterMs: spanMs }, quorum, 0);
        else if (kind !== 'read') record = reported(record, rest.by, { kind, retryAfterMs: spanMs, token }, quorum, 0);
        const { epoch, state, retryAfterMs, trips } = stateOf(record, 0);
        expect({ ...said, waitMs: 0 }).toMatchObject({ token: granted ?? null, state: { epoch, state, trips } });
        expect(said.state.retryAfterMs > 0).toBe(retryAfterMs > 0);
        most = Math.max(most, (await redis.hLen(key)) - quorum);
      }
    }),
    { seed: 20_260_101, numRuns: 300 },
  );
  const [, told = ''] =
    /a hash of at most (\d+) fields and `quorum` more/.exec(readFileSync('docs/fleet.md', 'utf8')) ?? [];
  expect(most).toBe(numberOf(told));
});

test('the script keeps one key and few fields, however many instances there are, and lets go of them in a day', async () => {
  const key = 'bounded:{1}';
  for (let instance = 0; instance < 1_000; instance += 1) {
    const args = ['down', `instance-${instance}`, 3, LONG, '', `${key}:changes`, 86_400_000, 0].map(String);
    await redis.eval(FLEET_SCRIPT, { keys: [key], arguments: args });
  }
  expect(await redis.hLen(key)).toBeLessThan(12);
  expect(await redis.keys('bounded:*')).toEqual([key]);
  expect(await redis.pTTL(key)).toBeGreaterThan(86_000_000);
});

test('the script does nothing that has come too late, and says so', async () => {
  const key = 'late:{1}';
  const ask = async (counts: number): Promise<{ state: { state: string }; isLate: boolean; now: number }> => {
    const args = ['down', 'a', 1, LONG, '', `${key}:changes`, 60_000, counts].map(String);
    return JSON.parse(String(await redis.eval(FLEET_SCRIPT, { keys: [key], arguments: args })));
  };
  const { now, ...first } = await ask(1);
  expect(first).toMatchObject({ state: { state: 'closed' }, isLate: true });
  expect(await redis.exists(key)).toBe(0);
  expect(await ask(now + 60_000)).toMatchObject({ state: { state: 'open' }, isLate: false });
});
