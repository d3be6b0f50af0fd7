import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { hedging } from '../../lab/experiments/hedging.ts';
import { numberOf, shareOf } from '../docs/figures.ts';
import { defaults, holdsFor, holdsIn, isAbout, isAsSaid } from './why.ts';

const result = await hedging.run(1, () => {});
const { quiet, busy } = result;

test.for(hedging.findings(result))('Hedged, $of: $claim, as expected', (finding) => {
  expect(finding.value).toBeGreaterThanOrEqual(-2);
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('Hedges after the 95th percentile cut the slowest hundredth by half, for a twentieth of load, and are no burden in a spike', () => {
  const hedged = quiet['after the 95th percentile'];
  expect(hedged.p99).toBeLessThan(quiet['no hedge'].p99 / 2);
  expect(hedged.p999).toBeLessThan(quiet['no hedge'].p999 / 3);
  expect(hedged.p50).toBeCloseTo(quiet['no hedge'].p50, 0);
  expect(hedged.extra).toBeGreaterThan(0.03);
  expect(hedged.extra).toBeLessThan(0.05);
  // Most of what is sent too early is sent for nothing, and what the budget grants is spent when it matters.
  expect(quiet['too early'].p999).toBeGreaterThan(3 * hedged.p999);
  expect(busy['too early, no budget'].recoverySeconds).toBe(Infinity);
  expect(busy['after the 95th percentile'].recoverySeconds).toBeLessThan(6);
});

const { parameters } = hedging;
const percentile = 'after the 95th percentile';

/** Reads answered from one second to another, after the percentile, for each without hedges. */
function answeredFor(from: number, to: number): number {
  const [hedged = 0, plain = 1] = ([percentile, 'no hedge'] as const).map((name) =>
    busy[name].answered.reduce((sum, { second, value }) => (second >= from && second < to ? sum + value : sum), 0),
  );
  return hedged / plain;
}

holdsFor('Hedged requests', hedging, result, [
  [
    /One request in a hundred takes (ten) to a hundred times as long as the others, and replicas stop now and then\./,
    () => {
      expect(parameters['share of requests that take 10 to 100 times as long']).toBe(1 / 100);
      expect(parameters['pause of a replica, ms']).toBe(200);
    },
  ],
  [
    /Without hedges, one read in a thousand ends at the attempt timeout, after (1,000) ms\./,
    (ms) => {
      expect(parameters['attempt timeout, ms']).toBe(numberOf(ms));
      expect(quiet['no hedge'].p999).toBe(numberOf(ms));
    },
  ],
  [
    /Sent once more after the 95th percentile, it is answered within (240) ms, and the 99th percentile falls from (218) to (102) ms, for (4\.5) % more requests\./,
    (within, before, after, percent) => {
      expect(quiet[percentile].p999).toBeLessThan(Number(within));
      isAsSaid(quiet['no hedge'].p99, before);
      isAsSaid(quiet[percentile].p99, after);
      isAsSaid(100 * quiet[percentile].extra, percent);
    },
  ],
  [
    /More is not better: sent after (10) ms, half the median, hedges cost (33) % and leave that one in a thousand where it was\./,
    (early, percent) => {
      expect(parameters['too early, ms']).toBe(Number(early));
      expect(parameters['median, ms']).toBe(2 * Number(early));
      isAsSaid(100 * quiet['too early'].extra, percent);
      expect(quiet['too early'].p999).toBe(quiet['no hedge'].p999);
    },
  ],
  [
    /In an overload a hedge is load and nothing else: sent that early, and without a budget, hedges keep a service down long after a spike of (four) seconds\./,
    () => {
      expect(busy['too early, no budget']).toMatchObject({ recoverySeconds: Infinity, inTheEnd: 0 });
      for (const name of [percentile, 'too early'] as const) {
        expect(busy[name].answeredInAll).toBeLessThan(busy['no hedge'].answeredInAll);
      }
    },
  ],
  [
    /After the percentile they cost up to (a fifth) of the answers while it lasts, (a tenth) with the (ten) seconds after it, and the service is back as soon as without\./,
    (most, after, seconds) => {
      expect(1 - answeredFor(10, 14)).toBeLessThan(shareOf(most));
      expect(1 - answeredFor(10, 14)).toBeGreaterThan(shareOf(after));
      isAbout(1 - answeredFor(10, 14 + numberOf(seconds)), after);
      expect(busy[percentile].recoverySeconds).toBe(busy['no hedge'].recoverySeconds);
    },
  ],
  [
    /Latencies of reads without hedges, after the 95th percentile, and sent too early/,
    () => expect(Object.keys(quiet).slice(0, 3)).toEqual(['no hedge', percentile, 'too early']),
  ],
  [/\[`hedge`\]\(hedging\.md\) is off by default\./, () => expect(defaults.limits.hedge).toBe(false)],
]);

holdsIn('docs/hedging.md', 'Too early, and in an overload', [
  [
    // What bounds it: test/client/hedge.test.ts.
    /`afterMs` is bounded by the retry budget alone\. Too short, it is spent on reads that would have been answered anyway, and is gone when it matters:/,
    () => {
      expect(quiet['too early'].extra).toBeLessThan(quiet['too early, no budget'].extra / 2);
      expect(quiet['too early'].p50).toBeCloseTo(quiet['no hedge'].p50, -0.5);
      expect(quiet['too early'].p999).toBeGreaterThan(4 * quiet['too early, no budget'].p999);
    },
  ],
  [
    /Latencies of reads\. One in a thousand takes (1,000) ms without hedges and with ones that are sent too early, and (239) ms after the 95th percentile, for (5) % more load/,
    (without, after, percent) => {
      for (const name of ['no hedge', 'too early'] as const) isAsSaid(quiet[name].p999, without);
      isAsSaid(quiet[percentile].p999, after);
      isAsSaid(100 * quiet[percentile].extra, percent);
    },
  ],
  [
    /An overload makes every answer late, and then hedges are load and nothing else\. After the percentile they add (4) % of requests, which takes (17) % of the answers while it lasts \((a tenth), with the (ten) seconds after it\), and the service is back as soon as without\./,
    (extra, percent, share, seconds) => {
      isAsSaid(100 * busy[percentile].extra, extra);
      isAsSaid(100 * (1 - answeredFor(10, 14)), percent);
      isAbout(1 - answeredFor(10, 14 + numberOf(seconds)), share);
      expect(busy[percentile].recoverySeconds).toBe(busy['no hedge'].recoverySeconds);
    },
  ],
  [
    /Sent too early, with the budget off, they keep it down long after \(`npm run lab -- hedging`\):/,
    () => expect(busy['too early, no budget']).toMatchObject({ recoverySeconds: Infinity, inTheEnd: 0 }),
  ],
  [
    /Reads answered per second around a spike\. All recover, but hedges that are sent too early without a budget/,
    () => {
      const recovered = Object.entries(busy).filter(([, { recoverySeconds }]) => recoverySeconds < Infinity);
      expect(recovered.map(([name]) => name)).toEqual(['no hedge', percentile, 'too early']);
    },
  ],
]);
