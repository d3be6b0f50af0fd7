import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { outages, percentAnswered, staleIfError } from '../../lab/experiments/stale-if-error.ts';
import { resolveClient } from '../../src/client-options.ts';
import { degradation, memoryStore } from '../../src/index.ts';
import { fetchAndStore, url } from '../client/bench.ts';
import { fallbackBench } from '../client/fallback-bench.ts';
import { figuresIn, numberOf } from '../docs/figures.ts';
import { entryOf } from '../stores/idb-bench.ts';
import { holdsFor, isAbout, isAsSaid } from './why.ts';

const result = await staleIfError.run(1, () => {});

test.for(staleIfError.findings(result))('$claim', (finding) => {
  expect(finding).toSatisfy(holds);
});

test('staleIfErrorMs is how long an outage may be, if the store has room', () => {
  expect(percentAnswered(result, '24 hours', 480)).toBeGreaterThan(99);
  expect(percentAnswered(result, '24 hours', 1_440)).toBeGreaterThan(90);
  expect(percentAnswered(result, '1 hour', 10)).toBeGreaterThan(percentAnswered(result, '1 hour', 60));
  expect(percentAnswered(result, '1 hour', 480)).toBeLessThan(10);
  expect(percentAnswered(result, '10 minutes', 60)).toBeLessThan(10);
});

test('a store that is too small is not helped by a longer staleIfErrorMs', () => {
  const [short, long] = [1, 1_440].map((minutes) => percentAnswered(result, '1,000 entries', minutes));
  expect(short).toBeLessThan(70);
  expect(long).toBeLessThan(70);
  expect(percentAnswered(result, '1,000 entries', 10)).toBeLessThan(percentAnswered(result, '1 hour', 10));
});

test('the same seed gives the same answers, and another one gives others', async () => {
  const small = (seed: number) => outages(seed, () => {}, { perSecond: 0.05, perStretch: 20 });
  const first = await small(1);
  expect(await small(1)).toEqual(first);
  expect(await small(2)).not.toEqual(first);
});

const { parameters } = staleIfError;
const outageOf = (name: keyof typeof result, minutes: number) => result[name].find((each) => each.minutes === minutes);

holdsFor('7. How old may an answer be?', staleIfError, result, [
  [
    /The plot asks for (4,000) pages, some popular and most not, once a second, and lets the dependency die for a minute to a day\./,
    (pages) => {
      expect(parameters['pages']).toBe(numberOf(pages));
      expect(parameters['calls per second']).toBe(1);
      const lengths = result['1 hour'].map(({ minutes }) => minutes);
      expect([lengths[0], lengths.at(-1)]).toEqual([1, 24 * 60]);
    },
  ],
  [
    /With a window of (ten) minutes, an outage of (ten) minutes leaves (a third) of the calls answered; with an hour, one of an hour leaves (57) %, and one of a day (2) %\./,
    (window, outage, share, hour, day) => {
      expect(window).toBe(outage);
      isAbout(percentAnswered(result, '10 minutes', numberOf(outage)) / 100, share);
      isAsSaid(percentAnswered(result, '1 hour', 60), hour);
      isAsSaid(percentAnswered(result, '1 hour', 24 * 60), day);
    },
  ],
  [
    /With a day, an outage of (8) hours costs users one call in a thousand, and one of a day (one call in twenty)\./,
    (hours, share) => {
      isAsSaid(1_000 - 10 * percentAnswered(result, '24 hours', 60 * Number(hours)), '1');
      isAbout(1 - percentAnswered(result, '24 hours', 24 * 60) / 100, share);
    },
  ],
  [
    /The price is age: in an outage of an hour, half of the answers are older than (54) minutes, and one in twenty is older than (five) and a half hours\./,
    (minutes, hours) => {
      const { median = 0, percentile95 = 0 } = outageOf('24 hours', 60) ?? {};
      expect(Math.floor(median)).toBe(Number(minutes));
      expect(percentile95 / 60).toBeGreaterThan(numberOf(hours) + 0.5);
      expect(percentile95 / 60).toBeLessThan(numberOf(hours) + 1);
    },
  ],
  [
    /Each of them says so \((`degradation\(response\)\.ageMs`)\), so that a page can tell its reader\./,
    async () => {
      const { client, clock } = fallbackBench([200, 501], { store: memoryStore() });
      await fetchAndStore(client, url);
      await clock.advance(1_000);
      expect(degradation(await client.fetch(url))).toMatchObject({ ageMs: 1_000 });
    },
  ],
  [
    /Share of calls answered, by how long the dependency is down, with windows of a minute, (ten) minutes, an hour and a day/,
    () => {
      const at = (['1 minute', '10 minutes', '1 hour', '24 hours'] as const).map((name) =>
        percentAnswered(result, name, 60),
      );
      expect(at).toEqual(at.toSorted((a, b) => a - b));
    },
  ],
  [
    /A long window needs a store that is large enough: with room for a quarter of the pages, (four calls in ten) fail, whether the outage lasts a minute or a day/,
    (share) => {
      for (const minutes of [1, 24 * 60]) isAbout(1 - percentAnswered(result, '1,000 entries', minutes) / 100, share);
    },
  ],
  [
    /`fallback\.staleIfErrorMs` is a day, and `memoryStore\(\)` has room for (10,000) entries\./,
    async (entries) => {
      const store = memoryStore();
      expect(resolveClient({ fallback: { store } }).fallback).toMatchObject({
        rules: { limits: { staleIfErrorMs: 86_400_000 } },
      });
      for (let index = 0; index <= numberOf(entries); index += 1) {
        await store.set(`${index}`, entryOf(`${index}`));
        if (index === numberOf(entries) - 1) expect(await store.get('0')).toBeDefined();
      }
      const left = await Promise.all(['0', '1'].map((key) => store.get(key)));
      expect(left.filter((entry) => entry !== undefined)).toHaveLength(1);
    },
  ],
]);

test('docs/numbers.md: a day answers most of an outage of a day, if the store has room for all', () => {
  figuresIn(
    'numbers',
    /A day answers most of an outage of a day \(\[plot\]\(why\.md#7-how-old-may-an-answer-be\)\), if the store has room for all URLs/,
  );
  expect(percentAnswered(result, '24 hours', 24 * 60)).toBeGreaterThan(90);
  expect(percentAnswered(result, '1,000 entries', 24 * 60)).toBeLessThan(70);
});
