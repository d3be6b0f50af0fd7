import { expect, test } from 'vitest';

import { differences, readReports, reportApi } from '../../tools/api-report.ts';

test('api/ has the public surface of each entry, and each type of it has a name', { timeout: 120_000 }, () => {
  const { reports, unnamed } = reportApi();
  expect(reports.get('index.api.md')).toContain('export function createClient(options?: ClientOptions): Client;');
  expect(differences(readReports('api'), reports), 'to be written by `npm run api`').toEqual([]);
  expect(unnamed).toEqual([]);
});

test('differences() names reports that are missing, left over, or not what they should be', () => {
  const shouldBe = new Map([
    ['same.api.md', 'a'],
    ['changed.api.md', 'b'],
    ['missing.api.md', 'c'],
  ]);
  const are = new Map([
    ['same.api.md', 'a'],
    ['changed.api.md', 'a'],
    ['left-over.api.md', 'd'],
  ]);
  expect(differences(are, shouldBe)).toEqual(['changed.api.md', 'left-over.api.md', 'missing.api.md']);
  expect(differences(shouldBe, shouldBe)).toEqual([]);
});
