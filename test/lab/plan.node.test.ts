import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { UsageError } from '../../drill/options.ts';
import { readPlan } from '../../lab/plan.ts';

const directory = mkdtempSync(join(tmpdir(), 'steadfetch-lab-'));

function written(text: string): string {
  const path = join(directory, 'policy.json');
  writeFileSync(path, text);
  return path;
}

test('readPlan() fills in what a file leaves out', () => {
  const plan = readPlan(written('{"policy": {"retry": {"maxAttempts": 2}}, "callsPerSecond": 300}'));
  expect(plan).toMatchObject({
    policy: { retry: { maxAttempts: 2 } },
    callsPerSecond: 300,
    instances: 10,
    medianMs: 40,
  });
  expect(readPlan(written('{}')).policy).toEqual({});
  expect(readPlan(written('{"policy": {"fallback": {"staleIfErrorMs": 5}}, "backlog": 0}')).backlog).toBe(0);
});

test.for([
  ['{', "can't be read as JSON: "],
  ['[]', 'must hold an object'],
  ['null', 'must hold an object'],
  ['{"polcy": {}}', 'polcy is not a key; there are policy, instances'],
  ['{"instances": 0}', 'instances must be a whole number above 0, and at most 1000, got 0'],
  ['{"instances": 1.5}', 'instances must be a whole number above 0, and at most 1000, got 1.5'],
  ['{"callsPerSecond": "many"}', 'callsPerSecond must be a number from 1 to 5000, got "many"'],
  ['{"callsPerSecond": 1e9}', 'callsPerSecond must be a number from 1 to 5000, got 1000000000'],
  ['{"backlog": -1}', 'backlog must be a whole number from 0 to 1000000, got -1'],
  ['{"medianMs": 50, "p99Ms": 50}', 'p99Ms must be above medianMs, got 50 and 50'],
  ['{"policy": {"retry": {"maxAttempts": 0}}}', 'policy: retry.maxAttempts must be'],
  ['{"policy": {"retires": false}}', 'policy: options.retires is not an option'],
  ['{"instances": 1e400}', 'instances must be a whole number above 0, and at most 1000, got Infinity'],
  ['{"toString": 1}', 'toString is not a key'],
  ['{"policy": []}', 'policy: must be an object, got []'],
  ['{"policy": {"fallback": true}}', 'policy: fallback must be'],
  ['{"policy": {"fallback": null}}', 'policy: fallback must be'],
  ['{"policy": {"fallback": []}}', 'policy: fallback must be'],
  ['{"policy": {"fallback": {"store": {}}}}', 'policy: fallback.store is no JSON'],
  ['{"policy": 5}', 'policy: must be an object, got 5'],
] as const)('readPlan() refuses %s, and says why', ([text, message]) => {
  const path = written(text);
  expect(() => readPlan(path)).toThrow(UsageError);
  expect(() => readPlan(path)).toThrow(message);
  expect(() => readPlan(path)).toThrow(path);
});

test('readPlan() names a file that is not there', () => {
  expect(() => readPlan('nowhere.json')).toThrow("nowhere.json can't be read as JSON: ENOENT");
});
