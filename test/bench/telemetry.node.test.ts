import { execFileSync } from 'node:child_process';

import { expect, test } from 'vitest';

test('npm run bench:telemetry shows that nobody pays for events to which nobody listens', { timeout: 120_000 }, () => {
  const text = execFileSync(process.execPath, ['bench/telemetry.ts', '--json', '--calls', '3000'], {
    encoding: 'utf8',
  });
  const { costs, snapshot } = JSON.parse(text);
  const bytes = Object.fromEntries(
    costs.map(({ watched, eventBytes }: { watched: string; eventBytes: number }) => [watched, eventBytes]),
  );
  // Two events of ten fields; the rest is what V8 makes of code that it has not optimized yet.
  expect(bytes['a listener']).toBeGreaterThan(300);
  expect(bytes['nobody']).toBeLessThan(bytes['a listener'] / 10);
  expect(snapshot).toBeGreaterThan(0);
  // Taken for a health report, it must not cost more than sending it.
  expect(snapshot).toBeLessThan(5);
});
