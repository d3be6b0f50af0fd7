import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'steadfetch-lab-'));

/** What `npm run lab -- …args` says, and how it ends. */
function lab(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['lab/main.ts', ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test('npm run lab -- --policy makes one page of five scenarios, with three policies each', async () => {
  const [policy, page] = [join(directory, 'policy.json'), join(directory, 'report.html')];
  writeFileSync(
    policy,
    '{"policy": {"retry": {"maxAttempts": 2}}, "instances": 2, "callsPerSecond": 20, "capacityPerSecond": 40}',
  );
  const { code, stdout } = await lab('--policy', policy, '--no-open', '--page', page);
  expect(code).toBe(0);
  expect(stdout).toContain('your policy: calls answered:');
  const html = readFileSync(page, 'utf8');
  expect(html.match(/<h2>/g)).toHaveLength(5);
  expect(html.match(/<svg xmlns/g)).toHaveLength(10);
  for (const name of ['your policy', 'the defaults', 'bare fetch']) expect(html).toContain(`<td>${name}</td>`);
  // It stands alone.
  expect(html).not.toMatch(/<script|<link|src=/);
}, 60_000);

test("npm run lab says what it can do, and what it can't", async () => {
  const policy = join(directory, 'fine.json');
  writeFileSync(policy, '{}');
  const [help, unknown, option, seed, file, page, both] = await Promise.all([
    lab('--help'),
    lab('nothing'),
    lab('--sed', '5'),
    lab('--seed', 'x'),
    lab('--policy', 'nowhere.json'),
    lab('--policy', policy, '--page', join(directory, 'nowhere', 'page.html')),
    lab('--policy', policy, 'hedging'),
  ]);
  expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('npm run lab -- --policy FILE') });
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('There is no experiment "nothing"') });
  expect(option).toMatchObject({ code: 2, stderr: expect.stringContaining('--sed') });
  expect(seed).toMatchObject({ code: 2, stderr: expect.stringContaining('--seed must be a whole number, got "x"') });
  expect(file).toMatchObject({ code: 2, stderr: expect.stringContaining("nowhere.json can't be read as JSON") });
  expect(page).toMatchObject({ code: 2, stderr: expect.stringContaining("can't be written: ENOENT") });
  expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('With --policy there are no experiments') });
}, 60_000);
