import { expect, test } from 'vitest';

import type { Totals } from '../../src/devtools/answers.ts';
import { History, LONGEST_SPAN_MS, MOST_MARKS_IN_ALL, MOST_TRACKS } from '../../src/devtools/history.ts';
import { MOST_MARKS, type Track } from '../../src/devtools/track.ts';
import { createClient, memoryStore, type SteadEvent } from '../../src/index.ts';
import { FakeClock, scriptedFetch } from '../../src/testing/index.ts';
import { fetchAndStore } from '../client/bench.ts';
import { AT, attempted, circuit, completed, dependency, failed, fellBack, NAME } from './support/events.ts';

function historyOf(...events: readonly SteadEvent[]): History {
  const history = new History();
  for (const event of events) history.note(event);
  return history;
}

function trackOf(history: History, name = NAME): Track {
  const track = history.tracks.get(name);
  if (track === undefined) throw new Error(`There is no track of ${name}`);
  return track;
}

/** What users got, without the zeros. */
function gotten(history: History, name = NAME): Partial<Totals> {
  const totals = trackOf(history, name).answers.totals(0, AT + LONGEST_SPAN_MS);
  return Object.fromEntries(Object.entries(totals).filter(([, count]) => count > 0));
}

test('History counts an answer of the network, an error, and none for a caller that gave up', () => {
  expect(
    gotten(
      historyOf(
        completed(1, AT),
        completed(2, AT, { status: 404 }),
        completed(3, AT, { outcome: 'ignored', status: 429, failure: 'status' }),
        completed(4, AT, { outcome: 'failure', status: 503, failure: 'status' }),
        failed(5, AT),
        { ...failed(6, AT), outcome: 'ignored', attempts: 0, failure: 'refused' },
        { ...failed(7, AT), outcome: 'ignored', failure: 'aborted' },
      ),
    ),
  ).toEqual({ network: 3, failed: 3 });
});

test('History counts what a caller got, not what the network gave, once it is known', () => {
  expect(gotten(historyOf(failed(1, AT), fellBack(1, AT + 9_000, { degraded: true, reason: 'network' })))).toEqual({
    degraded: 1,
  });
  expect(gotten(historyOf(failed(1, AT), fellBack(1, AT, { source: 'default', degraded: true })))).toEqual({
    default: 1,
  });
  // Confirmed by a 304.
  expect(gotten(historyOf(completed(1, AT), fellBack(1, AT)))).toEqual({ stored: 1 });
});

test('History counts no answer that nobody waited for', () => {
  const renewed = {
    type: 'revalidated',
    dependency: NAME,
    call: 2,
    at: AT,
    background: true,
    result: 'replaced',
  } as const;
  expect(gotten(historyOf(fellBack(1, AT), completed(2, AT), renewed))).toEqual({ stored: 1 });
  expect(gotten(historyOf(completed(2, AT), { ...renewed, background: false }))).toEqual({ network: 1 });
});

test('History is told by a real client what each of its callers got', async () => {
  const clock = new FakeClock({ epochNow: AT });
  const fetch = scriptedFetch([{ body: '[]' }, 503, 503], { clock });
  const client = createClient({ clock, fetch, retry: false, fallback: { store: memoryStore({ shared: false }) } });
  const history = new History();
  client.subscribe((event) => history.note(event));
  for (const path of ['products', 'products', 'orders']) {
    await fetchAndStore(client, `${NAME}/${path}`);
    await clock.advance(1_000);
  }
  expect(gotten(history)).toEqual({ network: 1, degraded: 1, failed: 1 });
  expect(trackOf(history).marks.map(({ kind }) => kind)).toEqual(['attempt', 'attempt', 'stored', 'attempt']);
});

test('History is told by those who share a call that each got the same', async () => {
  const clock = new FakeClock({ epochNow: AT });
  const fetch = scriptedFetch(
    [
      { body: '[]', delayMs: 50 },
      { status: 503, delayMs: 50 },
    ],
    { clock },
  );
  const client = createClient({ clock, fetch, retry: false, fallback: { coalesce: true } });
  const history = new History();
  client.subscribe((event) => history.note(event));
  for (let round = 0; round < 2; round += 1) {
    const calls = [1, 2, 3].map(() => client.json(`${NAME}/products`).catch(() => undefined));
    await clock.advance(100);
    await Promise.all(calls);
  }
  expect(fetch.calls).toBe(2);
  expect(gotten(history)).toEqual({ network: 3, failed: 3 });
});

test('History marks attempts, refusals and answers in place, and counts retries', () => {
  const history = historyOf(
    attempted(AT, { outcome: 'failure', status: 503, failure: 'status' }),
    { type: 'retry', dependency: NAME, call: 1, at: AT, attempt: 2, delayMs: 100 },
    attempted(AT + 200, { attempt: 2 }),
    { type: 'rejected', dependency: NAME, call: 2, at: AT + 300, code: 'CIRCUIT_OPEN' },
    fellBack(2, AT + 300, { source: 'default', reason: 'CIRCUIT_OPEN', degraded: true, ageMs: 0 }),
    { type: 'queued', dependency: NAME, call: 3, at: AT + 300, running: 6, queued: 1 },
    { type: 'store-error', dependency: NAME, at: AT + 300, operation: 'get', reason: 'timeout' },
  );
  expect(trackOf(history).marks).toMatchObject([
    { kind: 'attempt', at: AT, attempt: 1, outcome: 'failure', status: 503 },
    { kind: 'attempt', at: AT + 200, attempt: 2, outcome: 'success', durationMs: 20 },
    { kind: 'refused', at: AT + 300, code: 'CIRCUIT_OPEN' },
    { kind: 'default', at: AT + 300, reason: 'CIRCUIT_OPEN' },
  ]);
  expect(gotten(history)).toEqual({ retries: 1, default: 1 });
});

test('Track tells the states of the circuit, each from when it began', () => {
  const turn = (
    at: number,
    from: 'closed' | 'open' | 'half-open',
    to: 'closed' | 'open' | 'half-open',
  ): SteadEvent => ({
    type: 'transition',
    dependency: NAME,
    at,
    from,
    to,
  });
  const track = trackOf(
    historyOf(turn(AT, 'closed', 'open'), turn(AT + 5_000, 'open', 'half-open'), turn(AT + 6_000, 'half-open', 'open')),
  );
  expect(track.states(AT - 1_000, AT + 7_000)).toEqual([
    { state: 'closed', from: -Infinity, to: AT },
    { state: 'open', from: AT, to: AT + 5_000 },
    { state: 'half-open', from: AT + 5_000, to: AT + 6_000 },
    { state: 'open', from: AT + 6_000, to: AT + 7_000 },
  ]);
  expect(track.stateAt(AT + 5_500)?.state).toBe('half-open');
  // Not since the last probe failed: since the trouble began.
  expect(track.trouble).toEqual({ since: AT, isExact: true });
  track.turn(AT + 8_000, 'open', 'half-open');
  track.turn(AT + 9_000, 'half-open', 'closed');
  expect(track.trouble).toBeUndefined();
});

test('History takes up a circuit that was open before anybody looked, as far as it is known', () => {
  const history = new History();
  const opened = { at: AT - 4_000, from: 'closed', to: 'open' } as const;
  history.observe({
    name: null,
    at: AT,
    dependencies: {
      known: dependency({ breaker: circuit('open'), lastTransition: opened, outageSince: AT - 4_000 }),
      reopened: dependency({
        breaker: circuit('open'),
        lastTransition: { ...opened, from: 'half-open' },
        outageSince: AT - 30_000,
      }),
      restored: dependency({ breaker: circuit('open') }),
      well: dependency(),
      bare: dependency({ breaker: null }),
    },
  });
  expect(trackOf(history, 'known').states(AT - 9_000, AT)).toEqual([{ state: 'open', from: AT - 4_000, to: AT }]);
  expect(trackOf(history, 'known').trouble).toEqual({ since: AT - 4_000, isExact: true });
  expect(trackOf(history, 'reopened').trouble).toEqual({ since: AT - 30_000, isExact: true });
  expect(trackOf(history, 'restored').trouble).toEqual({ since: AT, isExact: false });
  expect(trackOf(history, 'well').states(AT, AT)).toEqual([{ state: 'closed', from: -Infinity, to: AT }]);
  expect([...history.tracks.keys()]).not.toContain('bare');
});

test('Track keeps each mark of a quiet second, and lets one stand for those that look the same in a busy one', () => {
  const history = new History();
  for (let index = 0; index < 20; index += 1) history.note(attempted(AT, { durationMs: 30 }));
  expect(trackOf(history).marks).toHaveLength(20);
  for (let index = 0; index < 500; index += 1) history.note(attempted(AT, { durationMs: 30 }));
  history.note(attempted(AT, { outcome: 'failure', status: 503, failure: 'status' }));
  history.note(attempted(AT, { durationMs: 3_000 }));
  expect(trackOf(history).marks.slice(20)).toMatchObject([
    { count: 500, outcome: 'success', durationMs: 30 },
    { count: 1, outcome: 'failure' },
    { count: 1, durationMs: 3_000 },
  ]);
  history.note(attempted(AT + 1_000, { durationMs: 30 }));
  expect(trackOf(history).marks.at(-1)).toMatchObject({ at: AT + 1_000, count: 1 });
});

test('Track bounds its marks, and tells until when it has dropped some', () => {
  const history = new History();
  for (let index = 0; index <= MOST_MARKS; index += 1) history.note(attempted(AT + index * 100));
  const { marks, droppedUntil } = trackOf(history);
  expect(marks).toHaveLength(MOST_MARKS + 1 - MOST_MARKS / 4);
  expect(droppedUntil).toBe(AT + (MOST_MARKS / 4 - 1) * 100);
  expect(history.size).toBe(marks.length);
});

test('History lets go of what is too old to be shown', () => {
  const history = historyOf(attempted(AT), attempted(AT + 1_000));
  history.observe({ name: null, at: AT + LONGEST_SPAN_MS + 1, dependencies: {} });
  expect(trackOf(history).marks.map(({ at }) => at)).toEqual([AT + 1_000]);
  expect(history.size).toBe(1);
});

test('History takes room from those that have most: a busy dependency costs a quiet one nothing', () => {
  const history = historyOf({ ...attempted(AT), dependency: 'quiet' });
  for (let index = 0; index < 60_000; index += 1) {
    history.note({ ...attempted(AT + index * 100), dependency: `busy-${index % 15}` });
  }
  expect(history.size).toBeLessThanOrEqual(MOST_MARKS_IN_ALL);
  expect(history.size).toBeGreaterThan(MOST_MARKS_IN_ALL / 2);
  expect(trackOf(history, 'quiet').marks).toHaveLength(1);
});

test('History is bounded, whatever the dependencies are called and however many there are', () => {
  const history = new History();
  for (let index = 0; index < 30_000; index += 1) {
    history.note({ ...attempted(AT + index), dependency: `host-${index % 3_000}` });
    history.note({ ...completed(index, AT + index), dependency: `host-${index % 3_000}` });
  }
  expect(history.tracks.size).toBe(MOST_TRACKS);
  expect(history.size).toBeLessThanOrEqual(MOST_MARKS_IN_ALL);
  const kept = [...history.tracks.values()].reduce((sum, { marks }) => sum + marks.length, 0);
  expect(history.size).toBe(kept);
  // Who was heard of longest ago is forgotten.
  expect([...history.tracks.keys()][0]).toBe('host-1000');
  expect([...history.tracks.keys()].at(-1)).toBe('host-2999');
});

test('History keeps what it knows of those who are called, however many are only in the snapshot', () => {
  const names = Array.from({ length: MOST_TRACKS + 1 }, (_, index) => `host-${index}`);
  const dependencies = Object.fromEntries(names.map((name) => [name, dependency()]));
  const history = historyOf({ ...attempted(AT), dependency: 'host-0' });
  for (let turn = 0; turn < 2; turn += 1) history.observe({ name: null, at: AT + turn, dependencies });
  expect(history.tracks.size).toBe(MOST_TRACKS);
  expect(trackOf(history, 'host-0').marks).toHaveLength(1);
});
