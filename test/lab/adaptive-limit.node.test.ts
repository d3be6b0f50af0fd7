import { expect, test } from 'vitest';

import { VirtualClock } from '../../lab/clock.ts';
import { holds } from '../../lab/experiment.ts';
import { adaptiveLimit } from '../../lab/experiments/adaptive-limit.ts';
import { aimd, gradient2, limitedFetch } from '../../lab/limits.ts';

const result = await adaptiveLimit.run(1, () => {});

test.for(adaptiveLimit.findings(result))('With an adaptive limit: $claim ($of), as expected', (finding) => {
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('An adaptive limit does as well as the best of the others in each story, or nearly', () => {
  for (const runs of Object.values(result.stories)) {
    const best = Math.max(...Object.values(runs).map(({ goodput }) => goodput));
    expect(runs.adaptive.goodput).toBeGreaterThan(best * 0.9);
  }
});

test('limitedFetch() refuses what is too much, and tells the limiter what became of the others', async () => {
  const clock = new VirtualClock();
  const notes: [number, number, boolean][] = [];
  const limiter = { limit: 2.9, note: (...note: [number, number, boolean]) => void notes.push(note) };
  const statuses = [200, 503];
  const fetch = limitedFetch(
    clock,
    async () => {
      await clock.sleep(10);
      return new Response(null, { status: statuses.shift() ?? 0 });
    },
    limiter,
  );
  const calls = [1, 2, 3].map(() => fetch('https://a.test/').then(({ status }) => status, String));
  await clock.run(100);
  expect(await Promise.all(calls)).toEqual([200, 503, 'TypeError: too many at once']);
  expect(notes).toEqual([
    [10, 2, false],
    [10, 1, true],
  ]);
});

test('aimd() takes a tenth off for each call that is dropped, and adds one for as many as it lets run', () => {
  const limiter = aimd();
  limiter.note(100, 20, true);
  expect(limiter.limit).toBe(18);
  for (let call = 0; call < 18; call += 1) limiter.note(100, 18, false);
  expect(limiter.limit).toBeCloseTo(19, 1);
  for (let call = 0; call < 18; call += 1) limiter.note(100, 9, false);
  expect(limiter.limit).toBeCloseTo(19, 1);
});

test('gradient2() grows while calls take what they did in the long run, and falls when they take longer', () => {
  const limiter = gradient2();
  for (let call = 0; call < 200; call += 1) limiter.note(100, limiter.limit, false);
  const before = limiter.limit;
  expect(before).toBeGreaterThan(30);
  for (let call = 0; call < 200; call += 1) limiter.note(400, limiter.limit, false);
  expect(limiter.limit).toBeLessThan(before / 2);
});
