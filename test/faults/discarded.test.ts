import { expect, test } from 'vitest';

import { HttpError } from '../../src/index.ts';
import { encounter, uses } from '../support/encounter.ts';

const size = 1e9;
/** What fits into the buffers of kernels, proxies and browsers on the way, and more. */
const buffered = 1e8;

test.for(uses)('client.%s cancels the body of a response that it does not hand out', async (use) => {
  const { seen } = await encounter(`huge;status=503;bytes=${size},huge;status=429;bytes=${size},ok`, { use });
  expect(seen.map(({ connection }) => connection)).toEqual(['left by the client', 'left by the client', 'ended']);
  for (const request of seen) expect(request.sentBytes).toBeLessThan(buffered);
});

test('client.fetch cancels the body of a discarded response, when the deadline ends the backoff', async () => {
  const controller = new AbortController();
  const { given, seen } = await encounter(`huge;status=503;bytes=${size}`, {
    retry: { initialDelayMs: 4_000, jitter: 0 },
    init: { signal: controller.signal },
    onArrival: () => controller.abort('the user left'),
  });
  expect(given).toEqual({ error: 'the user left' });
  expect(seen.map(({ connection }) => connection)).toEqual(['left by the client']);
});

test('client.fetch leaves the last body to the caller, for 503 after 503', async () => {
  const { given } = await encounter('503;body=first,503;body=second,503;body=third');
  expect(given).toEqual({ status: 503, body: 'third' });
});

test('client.json leaves the body of the response in its error to the caller', async () => {
  const { thrown } = await encounter('404;body={"code":7}', { use: 'json' });
  expect(thrown).toBeInstanceOf(HttpError);
  expect(await (thrown as HttpError).response.json()).toEqual({ code: 7 });
});

test('client.json reads a huge body whole', async () => {
  const { given, outcome } = await encounter('huge;bytes=5000000', { use: 'json' });
  expect(given).toEqual({ value: {} });
  expect(outcome).toBe('success');
});
