import { expect, test } from 'vitest';

import { LONGEST_SPAN_MS } from '../../src/devtools/history.ts';
import { Track } from '../../src/devtools/track.ts';
import { byUrgency, type View, viewOf } from '../../src/devtools/view.ts';
import type { DependencySnapshot } from '../../src/index.ts';
import { circuit, dependency, NAME } from './support/events.ts';

// Times of day are those of the reader.
const NOW = new Date(2026, 10, 14, 14, 3, 34).getTime();
const SPAN_MS = 60_000;
const failure = { at: NOW - 4_000, failure: 'status', status: 503 } as const;

function view(snapshot: DependencySnapshot | undefined, track = new Track(LONGEST_SPAN_MS)): View {
  return viewOf({ name: NAME, dependency: snapshot, track }, NOW, SPAN_MS);
}

test('viewOf() says which state, since when, why, and what comes next: open', () => {
  const track = new Track(LONGEST_SPAN_MS);
  track.turn(NOW - 12_000, 'closed', 'open');
  const open = dependency({ breaker: circuit('open', { retryAfterMs: 7_200, failedProbes: 0 }), lastFailure: failure });
  expect(view(open, track)).toMatchObject({
    state: 'open',
    since: 'for 12 s, since 14:03:22',
    why: '503, 4 s ago; next probe in 8 s',
    trouble: '',
  });
  expect(view({ ...open, breaker: circuit('open', { retryAfterMs: null }) }, track).why).toBe(
    '503, 4 s ago; kept open by hand',
  );
  expect(view({ ...open, breaker: circuit('open') }, track).why).toBe('503, 4 s ago; the next call is a probe');
});

test('viewOf() says since when it has not been well, when probes have failed since', () => {
  const track = new Track(LONGEST_SPAN_MS);
  track.turn(NOW - 137_000, 'closed', 'open');
  track.turn(NOW - 13_000, 'open', 'half-open');
  const halfOpen = dependency({
    breaker: circuit('half-open', { failedProbes: 1 }),
    lastFailure: { ...failure, failure: 'network', status: null },
  });
  expect(view(halfOpen, track)).toMatchObject({
    state: 'half-open',
    since: 'for 13 s, since 14:03:21',
    why: 'connection lost, 4 s ago; a probe decides',
    trouble: 'not well for 2 min 17 s, since 14:01:17; 1 probe failed since',
  });
});

test('viewOf() does not say more than is known of what was before it looked', () => {
  const track = new Track(LONGEST_SPAN_MS);
  const lastTransition = { at: NOW - 9_000, from: 'half-open', to: 'open' } as const;
  track.begin({ breaker: circuit('open'), lastTransition, outageSince: NOW - 60_000 }, NOW);
  expect(view(dependency({ breaker: circuit('open') }), track)).toMatchObject({
    since: 'for 9 s, since 14:03:25',
    trouble: 'not well for 1 min, since 14:02:34',
  });
  const restored = new Track(LONGEST_SPAN_MS);
  restored.begin({ breaker: circuit('open'), lastTransition: null, outageSince: null }, NOW - 5_000);
  expect(view(dependency({ breaker: circuit('open') }), restored).since).toBe('');
});

test('viewOf() says what users got, and leaves nothing out', () => {
  const track = new Track(LONGEST_SPAN_MS);
  for (const source of ['network', 'network', 'degraded', 'default', 'failed', 'retries'] as const)
    track.answers.add(source, NOW);
  const { gotten, sources, retries } = view(dependency({ retriesAvailable: 1_096 }), track);
  expect(gotten).toBe('5 answers in the last minute');
  expect(sources.map(({ text }) => text)).toEqual([
    '2 from the network',
    '0 from the store',
    '1 degraded, from the store',
    '1 answered by the default',
    '1 failed',
  ]);
  expect(retries).toBe('1 retry, 1,096 more would be granted');
  expect(view(dependency({ retriesAvailable: null })).retries).toBe('0 retries, no budget bounds them');
});

test('viewOf() measures what runs and waits against its limits, where there are any', () => {
  const { running, queued } = view(dependency({ running: 3, queued: 0 }));
  expect([running, queued]).toEqual([
    { amount: 3, limit: 6, text: '3 of 6 running' },
    { amount: 0, limit: 20, text: '0 of 20 waiting' },
  ]);
  const unbounded = view(dependency({ running: 3, maxConcurrent: null, maxQueued: null }));
  expect([unbounded.running.text, unbounded.queued.text]).toEqual(['3 running', '0 waiting']);
});

test('viewOf() sums up latency and failures of the span, each mark as often as it stands for', () => {
  const track = new Track(LONGEST_SPAN_MS);
  const attempt = { kind: 'attempt', attempt: 1, outcome: 'success', status: 200, failure: undefined } as const;
  track.add({ ...attempt, at: NOW - 61_000, durationMs: 9_000, count: 1 });
  track.add({ ...attempt, at: NOW - 30_000, durationMs: 10, count: 5 });
  track.add({ ...attempt, at: NOW - 20_000, durationMs: 400, count: 1 });
  expect(view(dependency(), track)).toMatchObject({
    latency: 'median 10 ms, slowest 400 ms',
    failures: 'no attempt failed',
  });
  const bad = { ...attempt, at: NOW, outcome: 'failure', durationMs: 5 } as const;
  track.add({ ...bad, failure: 'status', status: 503, count: 7 });
  track.add({ ...bad, failure: 'network', status: undefined, count: 2 });
  track.add({ ...bad, failure: 'body', status: undefined, count: 1 });
  track.add({ ...bad, failure: 'status', status: 500, count: 3 });
  expect(view(dependency(), track).failures).toBe('7 × 503, 3 × 500, 2 × connection lost, and others');
});

test('viewOf() has something true to say of a dependency that the client does not remember', () => {
  expect(view(undefined)).toMatchObject({
    state: 'none',
    since: '',
    why: '',
    gotten: 'no answers in the last minute',
    latency: 'no attempt was answered',
  });
});

test('byUrgency() puts the open ones first, then the half-open, then who failed lately, and keeps the order otherwise', () => {
  const subject = (name: string, snapshot: DependencySnapshot) => ({ name, dependency: snapshot, track: undefined });
  const sorted = byUrgency(
    [
      subject('well', dependency()),
      subject('failed lately', dependency({ lastFailure: failure })),
      subject('failed long ago', dependency({ lastFailure: { ...failure, at: NOW - 61_000 } })),
      subject('half-open', dependency({ breaker: circuit('half-open') })),
      subject('open', dependency({ breaker: circuit('open'), lastFailure: failure })),
      subject('open too', dependency({ breaker: circuit('open') })),
      subject('bare', dependency({ breaker: null })),
    ],
    NOW,
    SPAN_MS,
  );
  expect(sorted.map(({ name }) => name)).toEqual([
    'open',
    'open too',
    'half-open',
    'failed lately',
    'well',
    'failed long ago',
    'bare',
  ]);
});

test('byUrgency() takes nobody for failing by what is from before the clock was put back', () => {
  const failed = { name: 'failed', dependency: dependency({ lastFailure: failure }), track: undefined };
  const early = {
    ...failed,
    name: 'early',
    dependency: dependency({ lastFailure: { ...failure, at: NOW + 3_600_000 } }),
  };
  expect(byUrgency([early, failed], NOW, SPAN_MS).map(({ name }) => name)).toEqual(['failed', 'early']);
});
