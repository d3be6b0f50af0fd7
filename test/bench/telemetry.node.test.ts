import { execFileSync } from 'node:child_process';

import { beforeAll, expect, test } from 'vitest';

import { figuresIn, numberOf } from '../docs/figures.ts';
import { tableOf } from '../docs/tables.ts';

interface Measured {
  readonly costs: readonly { readonly watched: string; readonly bytes: number; readonly eventBytes: number }[];
  readonly snapshot: number;
}

let measured: Measured;
beforeAll(() => {
  const text = execFileSync(process.execPath, ['bench/telemetry.ts', '--json', '--calls', '3000'], {
    encoding: 'utf8',
  });
  measured = JSON.parse(text);
}, 120_000);

test('npm run bench:telemetry shows that nobody pays for events to which nobody listens', () => {
  const bytes = Object.fromEntries(measured.costs.map(({ watched, eventBytes }) => [watched, eventBytes]));
  // Two events of ten fields; the rest is what V8 makes of code that it has not optimized yet.
  expect(bytes['a listener']).toBeGreaterThan(300);
  expect(bytes['nobody']).toBeLessThan((bytes['a listener'] ?? 0) / 10);
});

test('npm run bench:telemetry shows that a snapshot costs what docs/telemetry.md says: about as much as to send it', () => {
  const [dependencies = '', times = ''] = figuresIn(
    'telemetry',
    /A snapshot of (\S+) dependencies takes less than (\w+) times as long as `JSON\.stringify` takes for it/,
  );
  expect(numberOf(dependencies)).toBe(1_000);
  expect(measured.snapshot).toBeGreaterThan(0);
  expect(measured.snapshot).toBeLessThan(numberOf(times));
});

test('npm run bench:telemetry shows that to be watched allocates what docs/telemetry.md says', () => {
  const [nobody] = measured.costs;
  const { rows } = tableOf('docs/telemetry.md', 'What it costs', 'Watched by');
  expect(rows.map(([watched]) => watched)).toEqual(measured.costs.map(({ watched }) => watched));
  for (const [index, { watched, bytes }] of measured.costs.entries()) {
    // So few calls are not all of optimized code yet.
    const ratio = bytes / (nobody?.bytes ?? 0) / Number(rows[index]?.[1]);
    expect(Math.abs(ratio - 1), `${watched}: ${ratio}`).toBeLessThan(0.15);
  }
});
