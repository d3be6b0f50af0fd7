import { expect, test } from 'vitest';

import { plain } from '../../drill/paint.ts';
import { holds } from '../../lab/experiment.ts';
import { Progress } from '../../lab/progress.ts';
import { reportOf } from '../../lab/report.ts';

const outcome = { name: 'x', title: 'A title', hypothesis: 'What is expected.', parameters: {}, figures: [] };

test('reportOf() marks what is as expected and what is not, with the bounds', () => {
  const findings = [
    { claim: 'requests per call', value: 1.19, atMost: 1.2 },
    { claim: 'answered', value: 0.5, atLeast: 0.9, atMost: 1 },
    { of: 'bare fetch', claim: 'well again after', value: Infinity, unit: 's' },
    { claim: 'requests', value: 81_234.5, unit: 'per second' },
  ];
  expect(findings.map(holds)).toEqual([true, false, true, true]);
  expect(reportOf({ ...outcome, findings }, plain)).toEqual([
    '',
    'A title',
    'What is expected.',
    '  ✓ requests per call: 1.19   (expected: at most 1.2)',
    '  ✗ answered: 0.5   (expected: at least 0.9, at most 1)',
    '    bare fetch: well again after: never',
    '    requests: 81,235 per second',
  ]);
});

test('Progress is the mean of all, and names those under way', () => {
  const progress = new Progress(['one', 'two', 'three', 'four'], undefined);
  expect(progress.line()).toBe(`${'░'.repeat(30)} 0 %  `);
  progress.tell('one', 1);
  progress.tell('two', 0.5);
  progress.tell('three', 0.5);
  expect(progress.line()).toBe(`${'█'.repeat(15)}${'░'.repeat(15)} 50 %  two, three`);
});
