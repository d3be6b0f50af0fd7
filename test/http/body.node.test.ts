import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';

import { Answer } from '../../src/http/answer.ts';
import { BodyLeases } from '../../src/http/body.ts';
import { createClient } from '../../src/index.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Collects until `done`, or so often that it will not come any more. */
async function collectUntil(done: () => boolean): Promise<void> {
  for (let turns = 0; turns < 50 && !done(); turns += 1) {
    collectGarbage();
    await turn();
  }
}

test('BodyLeases.hold() closes all that hung on a body, once nobody can read it any more', async () => {
  const leases = new BodyLeases();
  const closed: string[] = [];
  (() => {
    const answer = new Answer(new Response(new ReadableStream()));
    leases.hold(answer, () => closed.push('timer'));
    leases.hold(answer, () => closed.push('signal'));
  })();
  await collectUntil(() => closed.length > 0);
  expect(closed).toEqual(['timer', 'signal']);
});

test('BodyLeases.hold() closes nothing while somebody can still read the body', async () => {
  const leases = new BodyLeases();
  const closed: string[] = [];
  const kept = new Response(new ReadableStream());
  leases.hold(new Answer(kept), () => closed.push('kept'));
  (() => leases.hold(new Answer(new Response(new ReadableStream())), () => closed.push('dropped')))();
  await collectUntil(() => closed.length > 0);
  expect(closed).toEqual(['dropped']);
  expect(kept.bodyUsed).toBe(false);
});

test('BodyLeases.discard() leaves nothing to be closed when the body is collected', async () => {
  const leases = new BodyLeases();
  const closed: string[] = [];
  (() => {
    const answer = new Answer(new Response(new ReadableStream()));
    leases.hold(answer, () => closed.push('discarded'));
    leases.discard(answer);
    leases.hold(new Answer(new Response(new ReadableStream())), () => closed.push('dropped'));
  })();
  await collectUntil(() => closed.includes('dropped'));
  expect(closed).toEqual(['discarded', 'dropped']);
});

test.for([{ body: 'text' }, { body: '' }, { body: 5 }])(
  'client.fetch leaves no listener on the signal, when a mock has the body $body, which is no object',
  async ({ body }) => {
    const mock = { status: 200, ok: true, headers: new Headers(), bodyUsed: false, body, arrayBuffer() {} };
    const client = createClient({ fetch: async () => mock as unknown as Response });
    const { signal } = new AbortController();
    await client.fetch('https://a.test/', { signal });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  },
);
