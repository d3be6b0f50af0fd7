import { expect, test } from 'vitest';

import { createClient, DeadlineExceededError } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { engine } from '../support/engine.ts';
import { scenario } from '../support/scenario.ts';

const stalls = ['body-hang', 'body-stall', 'slow-body;everyMs=60000'];

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

// The Response is the platform's own, and so is what reading it rejects with: these engines lose the reason for an abort.
const losesReason = ['happy-dom', 'firefox', 'webkit'].includes(engine);

test('client.fetch rejects the body read with DeadlineExceededError, where the engine keeps abort reasons', async () => {
  const clock = new FakeClock();
  const client = createClient({ clock, deadlineMs: 2_000 });
  const response = await client.fetch(scenario('body-stall').url);
  const error = response.text().catch((thrown: unknown) => thrown);
  await clock.advance(2_000);
  expect((await error) instanceof DeadlineExceededError).toBe(!losesReason);
});
