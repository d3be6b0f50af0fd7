import { expect, test } from 'vitest';

import { createClient } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { scriptedFetch } from '../../src/testing/scripted-fetch.ts';

// A body that is being read is under the deadline and the caller's signal, whatever of it an engine collects meanwhile.

const readings: readonly { how: string; read: (response: Response) => Promise<unknown> }[] = [
  { how: 'text()', read: (response) => response.text() },
  {
    how: 'a reader',
    async read({ body }) {
      const reader = body?.getReader();
      while ((await reader?.read())?.done === false);
    },
  },
];

const ends = [
  { end: 'the deadline', stop: (clock: FakeClock) => clock.advance(100) },
  { end: 'the caller', stop: (_: FakeClock, controller: AbortController) => controller.abort() },
];

const rows = readings.flatMap((reading) => ends.map((end) => ({ ...reading, ...end })));

test.for(rows)('client.fetch has $end stop each of 20 bodies read by $how, after garbage', async ({ read, stop }) => {
  const clock = new FakeClock();
  const fetch = scriptedFetch([{ body: '{"ok":', after: 'hang' }]);
  const client = createClient({ clock, fetch, deadlineMs: 100, attemptTimeoutMs: false });
  const controller = new AbortController();
  let stopped = 0;
  for (let call = 0; call < 20; call += 1) {
    client
      .fetch('https://a.test/', { signal: controller.signal })
      .then(read)
      .catch(() => {
        stopped += 1;
      });
  }
  let garbage: unknown;
  for (let turn = 0; turn < 60; turn += 1) {
    garbage = Array.from({ length: 50_000 }, (_, index) => ({ index }));
    await clock.advance(0);
  }
  expect(garbage).toHaveLength(50_000);
  expect(stopped).toBe(0);
  await stop(clock, controller);
  await clock.advance(0);
  expect(stopped).toBe(20);
});
