import { expect, test } from 'vitest';

import { Answers, SLICE_MS } from '../../src/devtools/answers.ts';

const NONE = { network: 0, stored: 0, degraded: 0, default: 0, failed: 0, retries: 0 };
const AT = 1_000 * SLICE_MS;

test('Answers counts by kind, from the slice that a span begins in to the one that it ends in', () => {
  const answers = new Answers(60_000);
  expect(answers.totals(0, AT)).toEqual(NONE);
  answers.add('network', AT - 1);
  answers.add('network', AT);
  answers.add('failed', AT + SLICE_MS - 1);
  answers.add('retries', AT + SLICE_MS);
  expect(answers.totals(AT, AT)).toEqual({ ...NONE, network: 1, failed: 1 });
  expect(answers.totals(AT - 1, AT + SLICE_MS)).toEqual({ ...NONE, network: 2, failed: 1, retries: 1 });
  expect(answers.totals(AT + 2 * SLICE_MS, AT + 9 * SLICE_MS)).toEqual(NONE);
});

test('Answers takes back what turned out otherwise, and never more than there is', () => {
  const answers = new Answers(60_000);
  answers.add('failed', AT);
  answers.add('failed', AT, -1);
  answers.add('failed', AT, -1);
  expect(answers.totals(AT, AT)).toEqual(NONE);
});

test('Answers forgets what is older than the longest span, and takes nothing of it back', () => {
  const answers = new Answers(60_000);
  answers.add('stored', AT);
  answers.add('default', AT + 65_000); // at the place of the first
  answers.add('stored', AT, -1); // too late
  answers.add('default', AT, -1);
  expect(answers.totals(0, AT + 65_000)).toEqual({ ...NONE, default: 1 });
});

test('Answers counts on when the clock has been put back', () => {
  const answers = new Answers(60_000);
  for (let at = AT; at < AT + 65_000; at += SLICE_MS) answers.add('network', at);
  const back = AT - 3_600_000;
  answers.add('failed', back);
  answers.add('failed', back, -1);
  answers.add('stored', back);
  expect(answers.totals(back - 60_000, back)).toEqual({ ...NONE, stored: 1 });
});
