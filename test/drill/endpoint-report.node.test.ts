import { expect, test } from 'vitest';

import { endpointFrame, resultTable } from '../../drill/endpoint-frame.ts';
import type { EndpointRecord } from '../../drill/endpoint-record.ts';
import { circuitStory, endpointReport } from '../../drill/endpoint-report.ts';
import { plain } from '../../drill/paint.ts';

function sample(): EndpointRecord {
  const call = (startedAt: number, tookMs: number, answered: boolean) => ({
    startedAt,
    endedAt: startedAt + tookMs,
    answered,
  });
  return {
    plan: { url: new URL('http://127.0.0.1:8080/x'), ratePerSecond: 5, lastsMs: 2_000 },
    track: {
      name: 'your endpoint',
      calls: [call(0, 20, true), call(200, 40, true), call(400, 30, true), call(600, 1_000, false)],
      seen: [{ at: 800, total: 5 }],
      seenByPhase: [],
    },
    circuit: [{ at: 0, state: 'closed' }],
    results: new Map([
      ['attempt timed out', 1],
      ['200', 3],
    ]),
    requests: 5,
    retries: 1,
    refused: 0,
  };
}

test('resultTable() puts the most frequent first, with its share', () => {
  expect(resultTable(sample())).toEqual([
    'result             calls   share',
    '────────────────────────────────',
    '200                    3  75.0 %',
    'attempt timed out      1  25.0 %',
  ]);
});

test('endpointReport() has the calls, the latencies, the requests and the circuit', () => {
  const lines = endpointReport(sample(), 1_700, 100, plain);
  expect(lines[0]).toBe('GET http://127.0.0.1:8080/x: 4 calls in 1.70 s, 5 a second');
  expect(lines).toContain('2xx, body read      3   30 ms   40 ms   40 ms    40 ms');
  expect(lines).toContain('anything else       1  1.00 s  1.00 s  1.00 s   1.00 s');
  expect(lines).toContain('requests  5 sent, 1 of them retries; 0 calls refused without one');
  expect(lines).toContain('circuit   closed throughout');
  expect(lines.join('')).not.toContain('\x1b');
});

test('endpointFrame() tells the time left and the counts so far', () => {
  const text = endpointFrame(sample(), 500, { columns: 80, rows: 24 }, plain).join('\n');
  expect(text).toContain('GET http://127.0.0.1:8080/x');
  expect(text).toContain('5 calls/s; 1.50 s left');
  expect(text).toContain('5 requests sent, 1 of them retries; 0 calls refused');
});

test('circuitStory() tells each change with its second', () => {
  const marks = [
    { at: 0, state: 'closed' },
    { at: 1_240, state: 'open' },
    { at: 2_300, state: 'half-open' },
    { at: 2_350, state: 'closed' },
  ] as const;
  expect(circuitStory(marks)).toBe('open at 1.2 s, half-open at 2.3 s and closed at 2.4 s');
  expect(circuitStory(marks.slice(0, 1))).toBe('closed throughout');
});

test('circuitStory() tells the last of many changes, and how many there were', () => {
  const marks = Array.from({ length: 31 }, (_, index) => ({ at: index * 1_000, state: 'open' as const }));
  const story = circuitStory(marks);
  expect(story).toMatch(/^30 changes, at last open at 19\.0 s, /);
  expect(story).toMatch(/open at 30\.0 s$/);
});
