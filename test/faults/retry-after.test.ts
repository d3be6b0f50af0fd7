import { expect, test } from 'vitest';

import { type Client, type ClientOptions, createClient, type RetryEvent } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { scenario } from '../support/scenario.ts';

const backoffMs = 100; // the default before jitter; a `random` of 0 takes nothing off

/** An HTTP date this many seconds after the next full one, and how far away that is: a date has no milliseconds. */
function dateIn(seconds: number, clock: FakeClock, format = (date: Date): string => date.toUTCString()) {
  const at = Math.ceil(clock.epochNow() / 1_000 + seconds) * 1_000;
  return { header: format(new Date(at)), delayMs: at - clock.epochNow() };
}

/** RFC 9110, section 5.6.7: recipients read the two obsolete formats too. */
function rfc850(date: Date): string {
  const [, day, month, year, time] = date.toUTCString().split(' ');
  const weekday = date.toLocaleDateString('en', { weekday: 'long', timeZone: 'UTC' });
  return `${weekday}, ${day}-${month}-${year?.slice(2)} ${time} GMT`;
}

function asctime(date: Date): string {
  const [weekday, day, month, year, time] = date.toUTCString().split(' ');
  return `${weekday?.slice(0, 3)} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`;
}

function nextRetry(client: Client): Promise<RetryEvent> {
  return new Promise((resolve) => client.subscribe((event) => event.type === 'retry' && resolve(event)));
}

type Asked = { header: string; delayMs: number };
const asks = (header: string, delayMs: number) => (): Asked => ({ header, delayMs });
const tenYears = 10 * 365 * 24 * 3_600;

const honoured: readonly { kind: string; ask: (clock: FakeClock) => Asked }[] = [
  { kind: 'seconds', ask: asks('2', 2_000) },
  { kind: 'as many seconds as maxRetryAfterMs', ask: asks('30', 30_000) },
  { kind: 'a date', ask: (clock) => dateIn(3, clock) },
  { kind: 'a date as of RFC 850', ask: (clock) => dateIn(3, clock, rfc850) },
  { kind: 'a date as of asctime', ask: (clock) => dateIn(3, clock, asctime) },
  { kind: 'no time', ask: asks('0', backoffMs) },
  { kind: 'a past date', ask: (clock) => ({ ...dateIn(-3_600, clock), delayMs: backoffMs }) },
  { kind: 'a negative number', ask: asks('-1', backoffMs) },
  { kind: 'a fraction', ask: asks('1.5', backoffMs) },
  { kind: 'an exponent', ask: asks('1e3', backoffMs) },
  { kind: 'garbage', ask: asks('soon', backoffMs) },
  { kind: 'nothing', ask: asks('', backoffMs) },
];

const declined: readonly { kind: string; header: (clock: FakeClock) => string; options?: ClientOptions }[] = [
  { kind: 'a second more than maxRetryAfterMs', header: () => '31' },
  { kind: 'ten years', header: () => String(tenYears) },
  { kind: 'more digits than a number holds', header: () => '9'.repeat(400) },
  { kind: 'a date in ten years', header: (clock) => dateIn(tenYears, clock).header },
  { kind: 'a second more than the deadline', header: () => '3', options: { deadlineMs: 2_000 } },
];

const statuses = [429, 503];
const across = <T extends object>(rows: readonly T[]) =>
  statuses.flatMap((status) => rows.map((row) => ({ status, ...row })));

test.for(across(honoured))(
  'client.fetch waits as asked and tries again, for $status and $kind',
  async ({ status, ask }) => {
    const clock = new FakeClock();
    const { header, delayMs } = ask(clock);
    const { url, seen } = scenario(`${status};retry-after=${encodeURIComponent(header)},ok`);
    const client = createClient({ clock, random: () => 0, deadlineMs: 60_000 });
    const call = client.fetch(url);
    expect(await nextRetry(client)).toMatchObject({ attempt: 2, delayMs });
    await clock.advance(delayMs - 1);
    expect(await seen()).toHaveLength(1);
    await clock.advance(1);
    expect((await call).status).toBe(200);
    expect(await seen()).toHaveLength(2);
  },
);

test.for(across(declined))(
  'client.fetch hands out the response at once, for $status and $kind',
  async ({ status, header, options }) => {
    const clock = new FakeClock();
    const { url, seen } = scenario(`${status};retry-after=${encodeURIComponent(header(clock))},ok`);
    const client = createClient({ clock, random: () => 0, ...options });
    expect((await client.fetch(url)).status).toBe(status);
    expect(await seen()).toHaveLength(1);
  },
);

test('client.fetch refuses calls for at least as long as asked, for 503 that opens the circuit', async () => {
  const clock = new FakeClock();
  const { url, seen } = scenario('503;retry-after=20,ok');
  const client = createClient({
    clock,
    random: () => 0,
    retry: false,
    breaker: { failureThreshold: 1, resetTimeoutMs: 10_000 },
  });
  await client.fetch(url);
  await clock.advance(19_999);
  await expect(client.fetch(url)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN', retryAfterMs: 1 });
  await clock.advance(1);
  expect((await client.fetch(url)).status).toBe(200);
  expect(await seen()).toHaveLength(2);
});

test('client.fetch asks again by maxResetTimeoutMs, for 503 that asks for ten years', async () => {
  const clock = new FakeClock();
  const { url } = scenario(`503;retry-after=${tenYears},ok`);
  const breaker = { failureThreshold: 1, resetTimeoutMs: 10_000, maxResetTimeoutMs: 60_000 };
  const client = createClient({ clock, random: () => 0, retry: false, breaker });
  await client.fetch(url);
  await clock.advance(60_000);
  expect((await client.fetch(url)).status).toBe(200);
});
