import { expect, test } from 'vitest';

import { createClient, DeadlineExceededError } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { engine, losingAbortReasons } from '../support/engine.ts';
import { scenario } from '../support/scenario.ts';

// Firefox does not show the headers before the first byte of the body: until then the attempt timeout applies.
const showsHeaders = engine !== 'firefox';
const stalls = showsHeaders ? ['body-hang', 'body-stall', 'slow-body;everyMs=60000'] : ['body-stall'];

test.for(stalls)('client.fetch ends the body at the deadline, not at the attempt timeout, for %s', async (fault) => {
  const clock = new FakeClock();
  const client = createClient({ clock, attemptTimeoutMs: 500, deadlineMs: 2_000 });
  const { url, seen, closed } = scenario(fault);
  const response = await client.fetch(url);
  const text = response.text();
  text.catch(() => {});
  await clock.advance(1_999);
  expect(await seen()).toMatchObject([{ connection: 'open' }]);
  await clock.advance(1);
  await expect(text).rejects.toThrow();
  expect(await closed()).toMatchObject([{ connection: 'left by the client' }]);
});

test('client.fetch hands out the response before the first byte of its body, where the engine shows the headers', async () => {
  const clock = new FakeClock();
  const client = createClient({ clock, attemptTimeoutMs: 500, retry: false });
  const { url, arrived } = scenario('body-hang');
  const call = client.fetch(url).then(
    async ({ status, body }) => {
      await body?.cancel();
      return status;
    },
    ({ code }) => code,
  );
  await arrived(1);
  if (!showsHeaders) await clock.advance(500);
  expect(await call).toBe(showsHeaders ? 200 : 'ATTEMPT_TIMEOUT');
});

test('client.fetch rejects the body read with DeadlineExceededError, where the engine keeps abort reasons', async () => {
  const clock = new FakeClock();
  const client = createClient({ clock, deadlineMs: 2_000 });
  const response = await client.fetch(scenario('body-stall').url);
  const error = response.text().catch((thrown: unknown) => thrown);
  await clock.advance(2_000);
  // The Response is the platform's own, and so is what reading it rejects with.
  expect((await error) instanceof DeadlineExceededError).toBe(!losingAbortReasons.includes(engine));
});
