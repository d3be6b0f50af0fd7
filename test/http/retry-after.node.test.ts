import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const module = new URL('../../src/http/retry-after.ts', import.meta.url).href;

/** What `parseRetryAfter` answers in a process that lives in another time zone. */
async function parsedIn(zone: string, header: string, epochNow: number): Promise<unknown> {
  const code = `import { parseRetryAfter } from ${JSON.stringify(module)};
    console.log(JSON.stringify(parseRetryAfter(${JSON.stringify(header)}, ${epochNow}) ?? null));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, TZ: zone },
    timeout: 60_000,
  });
  return JSON.parse(stdout);
}

const formats = [
  { format: 'IMF-fixdate', header: 'Sun, 06 Nov 1994 08:49:37 GMT' },
  { format: 'RFC 850', header: 'Sunday, 06-Nov-94 08:49:37 GMT' },
  { format: 'asctime', header: 'Sun Nov  6 08:49:37 1994' },
];

// RFC 9110, section 5.6.7: a date is in UTC, also in the format that does not say so.
test.for(formats)('parseRetryAfter() takes a date for UTC wherever it runs, for $format', async ({ header }) => {
  const threeSecondsBefore = Date.UTC(1994, 10, 6, 8, 49, 34);
  expect(await parsedIn('America/New_York', header, threeSecondsBefore)).toBe(3_000);
  expect(await parsedIn('Asia/Kolkata', header, threeSecondsBefore)).toBe(3_000);
});
