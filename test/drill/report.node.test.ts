import { expect, test } from 'vitest';

import { drillFrame } from '../../drill/drill-frame.ts';
import { progress } from '../../drill/logged-drill.ts';
import { coloured, plain } from '../../drill/paint.ts';
import { closingTable, drillReport, phaseTable } from '../../drill/report.ts';
import { lengthMs, OUTAGE, recoveredAt, timed } from '../../drill/script.ts';
import { summarise } from '../../drill/statistics.ts';
import { sampleRecord } from './sample-record.ts';

const { phases, tracks } = sampleRecord();
const summaries = tracks.map((track) => summarise(track, phases, recoveredAt(phases)));

test('closingTable() has the figures of each contender', () => {
  expect(closingTable(summaries)).toEqual([
    '                              answer in          failure in  requests  served',
    '             answered    p50        p99     p50         p99  per call   again',
    '─────────────────────────────────────────────────────────────────────────────',
    'bare fetch     62.5 %  80 ms      80 ms  900 ms      900 ms      1.00  1.08 s',
    'naive retry    25.0 %  80 ms      80 ms  900 ms      900 ms      3.00   never',
    'steadfetch     68.8 %  80 ms      80 ms  900 ms      900 ms      0.50  580 ms',
    '─────────────────────────────────────────────────────────────────────────────',
  ]);
});

test('phaseTable() has a column for each phase', () => {
  expect(phaseTable(summaries)).toEqual([
    'answered              ok  down  healed',
    '──────────────────────────────────────',
    'bare fetch         100 %   0 %    75 %',
    'naive retry        100 %   0 %     0 %',
    'steadfetch         100 %   0 %    88 %',
    '──────────────────────────────────────',
    'requests per call     ok  down  healed',
    '──────────────────────────────────────',
    'bare fetch          1.00  1.00    1.00',
    'naive retry         3.00  3.00    3.00',
    'steadfetch          0.50  0.50    0.50',
    '──────────────────────────────────────',
  ]);
});

test.for([80, 120])('drillReport() and drillFrame() stay within %d columns', (columns) => {
  const lines = [
    ...drillReport(sampleRecord(), columns, plain),
    ...drillFrame(sampleRecord(), 5_000, { columns, rows: 24 }, plain),
  ];
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
});

test('drillReport() has no control codes unless it is to have colours', () => {
  expect(drillReport(sampleRecord(), 80, plain).join('')).not.toContain('\x1b');
  expect(drillReport(sampleRecord(), 80, coloured).join('')).toContain('\x1b[');
});

test('drillReport() warns of a shortened outage and of a busy machine, and only then', () => {
  const full = { phases: timed(OUTAGE, lengthMs(OUTAGE)) };
  const text = (changes: Parameters<typeof sampleRecord>[0]): string =>
    drillReport(sampleRecord(changes), 200, plain).join('\n');
  expect(text({})).toContain('Shortened: the outage took 8.00 s instead of 32.50 s');
  expect(text(full)).not.toContain('Shortened');
  expect(text({ latestMs: 700 })).toContain('This machine was busy: some calls left up to 700 ms late');
  expect(text({})).not.toContain('busy');
});

test.for([
  [18, 18],
  [24, 24],
  [30, 30],
  [50, 39],
] as const)('drillFrame() fits a screen of %d lines', ([rows, lines]) => {
  expect(drillFrame(sampleRecord(), 0, { columns: 80, rows }, plain)).toHaveLength(lines);
});

test('drillFrame() tells the phase, the time left in it, and the circuit so far', () => {
  const frame = drillFrame(sampleRecord(), 2_750, { columns: 80, rows: 24 }, plain);
  expect(frame[0]).toBe(' steadfetch outage drill   2.8 of 8.0 s; 1.3 s left in this phase');
  expect(frame[1]).toBe(' down: the upstream refuses connections');
  expect(frame[2]?.trimEnd()).toBe(' phase                  │ok           │down         │healed');
  expect(frame[3]).toMatch(/^ {24}━{18}─{37}$/);
  expect(frame.at(-2)?.trimEnd()).toBe(` its circuit            ${'─'.repeat(17)}██`);
  expect(drillFrame(sampleRecord(), 8_100, { columns: 80, rows: 24 }, plain)[0]).toContain(
    'waiting for the last calls',
  );
});

test('drillFrame() draws each contender: its latency, its answers, its load', () => {
  const frame = drillFrame(sampleRecord(), 8_000, { columns: 80, rows: 24 }, plain);
  const starts = frame.slice(16, 22).map((line) => line.slice(0, 24).trimEnd());
  expect(starts).toEqual([
    ' steadfetch         4 s',
    ' p50 80 ms',
    ' p99 80 ms',
    '                  10 ms',
    ' answered 69 %',
    ' load 0.50/call    40/s',
  ]);
  expect(frame[20]?.slice(24)).toBe(`${'█'.repeat(13)}▄${'·'.repeat(16)}▄${'█'.repeat(24)}`);
  expect(frame[21]?.slice(24)).toBe('▁'.repeat(55));
});

test('progress() tells what came of the calls that ended meanwhile', () => {
  expect(progress(sampleRecord(), 0, 2_000)).toBe(
    '  2.0 s    answered, upstream load: bare fetch 100 %, 10/s | naive retry 100 %, 30/s | steadfetch 100 %, 5/s; ' +
      'circuit closed',
  );
  expect(progress(sampleRecord(), 2_080, 2_800)).toContain('bare fetch –, 10/s');
  expect(progress(sampleRecord(), 2_080, 3_000)).toContain('bare fetch 0 %, 10/s');
  expect(progress(sampleRecord(), 2_080, 3_000)).toContain('circuit open');
});
