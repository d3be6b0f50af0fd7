import { expect, test } from 'vitest';

import { isNewer, parseTabRecord, startOf, type TabRecord, textOf } from '../../src/fleet/tab-record.ts';

const now = 1_800_000_000_000;
const record: TabRecord = {
  dependency: 'https://"users".test',
  version: 3,
  at: now,
  record: {
    run: now - 5,
    epoch: 2,
    state: 'open',
    retryAt: now + 1_000,
    trips: 1,
    leases: 2,
    leasesBefore: 1,
    votes: { a: now + 7, b: now },
    lease: { holder: 'a', token: 2, until: now + 300 },
  },
};

test('parseTabRecord() gives back what textOf() was given, with a lease and without', () => {
  for (const each of [record, { ...record, record: { ...record.record, votes: {}, lease: undefined } }]) {
    const text = textOf(each);
    expect(text.startsWith(startOf(each.dependency))).toBe(true);
    expect(parseTabRecord(text, now)).toEqual(each);
  }
});

test('parseTabRecord() drops what is from the future, once the clock has been put back', () => {
  expect(parseTabRecord(textOf(record), now - 5_000)).toEqual(record);
  expect(parseTabRecord(textOf(record), now - 5_001)).toBe(undefined);
});

test('parseTabRecord() drops what is cut off anywhere', () => {
  const text = textOf(record);
  for (let length = 0; length < text.length; length += 1)
    expect(parseTabRecord(text.slice(0, length), now)).toBe(undefined);
});

test('isNewer() goes by the run, then by the version, and a record is not newer than itself', () => {
  const { run } = record.record;
  const laterRun = { ...record, version: 1, record: { ...record.record, run: run + 1 } };
  const laterVersion = { ...record, version: 4 };
  expect(isNewer(record, record)).toBe(false);
  expect([isNewer(laterVersion, record), isNewer(record, laterVersion)]).toEqual([true, false]);
  expect([isNewer(laterRun, laterVersion), isNewer(laterVersion, laterRun)]).toEqual([true, false]);
});
