import { expect, test } from 'vitest';

import { circuitInWords, transitionInWords } from '../../playground/story.ts';
import { percentInWords, timeInWords, waitInWords } from '../../playground/words.ts';

test('percentInWords() says neither all nor nothing of what is not', () => {
  const said = [0, 1, 15, 996, 999, 1_000].map((count) => percentInWords(count, 1_000));
  expect(said).toEqual(['0 %', 'under 1 %', '2 %', 'over 99 %', 'over 99 %', '100 %']);
  expect(percentInWords(0, 0)).toBe('0 %');
});

test('waitInWords() is as exact as it is of use', () => {
  const said = [undefined, 0.3, 87.4, 999.4, 999.6, 2_345, 9_949, 9_951, 48_400].map(waitInWords);
  expect(said).toEqual(['–', '0 ms', '87 ms', '999 ms', '1.0 s', '2.3 s', '9.9 s', '10 s', '48 s']);
});

test('timeInWords() counts minutes and seconds', () => {
  expect([0, 999, 7_000, 127_000, 3_600_000].map(timeInWords)).toEqual(['0:00', '0:00', '0:07', '2:07', '60:00']);
});

test('transitionInWords() says what a change means to callers', () => {
  const event = { type: 'transition', dependency: 'https://a.test', at: 0 } as const;
  const said = [
    transitionInWords({ ...event, from: 'closed', to: 'open', retryAfterMs: 11_240 }),
    transitionInWords({ ...event, from: 'open', to: 'half-open' }),
    transitionInWords({ ...event, from: 'half-open', to: 'open', retryAfterMs: 20_000 }),
    transitionInWords({ ...event, from: 'half-open', to: 'closed' }),
  ];
  expect(said).toEqual([
    'The circuit opens: for 11.2 s, calls are not sent.',
    'The circuit is half-open: one call goes out, as a probe.',
    'The probe failed: the circuit is open for another 20 s.',
    'The probes succeeded: the circuit closes, and calls go out again.',
  ]);
});

test('circuitInWords() says what it is like now, and when it is asked again', () => {
  const circuit = {
    state: 'open',
    retryAfterMs: 11_240,
    failedProbes: 0,
    successfulProbes: 0,
    consecutiveFailures: 0,
    window: null,
  } as const;
  const said = [
    circuitInWords(undefined),
    circuitInWords(null),
    circuitInWords({ ...circuit, state: 'closed', retryAfterMs: 0 }),
    circuitInWords(circuit),
    circuitInWords({ ...circuit, retryAfterMs: 0 }),
    circuitInWords({ ...circuit, state: 'half-open', retryAfterMs: 0 }),
  ];
  expect(said).toEqual([
    '',
    'no circuit breaker',
    'circuit closed',
    'circuit open, a probe in 12 s',
    'circuit open, a probe is due',
    'circuit half-open',
  ]);
});
