import { AsyncLocalStorage } from 'node:async_hooks';

import { expect, test } from 'vitest';

import { createClient } from '../src/index.ts';

const users = new AsyncLocalStorage<string>();
const url = 'https://users.test/u/1';

/** Hangs until its signal aborts, and then does not notice. */
const deaf = (): Promise<never> => new Promise(() => {});

test("a call that times out goes on in its own async context, though the timer is another call's", async () => {
  const seen: string[] = [];
  const client = createClient({
    fetch: deaf,
    attemptTimeoutMs: 20,
    retry: { maxAttempts: 2, initialDelayMs: 0 },
    breaker: {
      classify: () => {
        seen.push(`classify for ${users.getStore()}`);
        return 'failure';
      },
    },
  });
  const call = (user: string): Promise<unknown> => users.run(user, () => client.fetch(url).catch(() => {}));
  await Promise.all([call('ada'), call('bob')]);
  expect(seen.filter((each) => each.endsWith('ada'))).toHaveLength(3);
  expect(seen.filter((each) => each.endsWith('bob'))).toHaveLength(3);
});

test("a default is asked for in the call's own async context, though the timer of the deadline is another call's", async () => {
  const seen: (string | undefined)[] = [];
  const client = createClient({
    fetch: deaf,
    deadlineMs: 20,
    fallback: {
      respond: () => {
        seen.push(users.getStore());
        return new Response('default');
      },
    },
  });
  await Promise.all(['ada', 'bob'].map((user) => users.run(user, () => client.fetch(url))));
  expect(seen).toEqual(['ada', 'bob']);
});

test("a hedge is sent, and won, in the call's own async context", async () => {
  const seen: string[] = [];
  const client = createClient({
    fetch: async () => {
      const user = users.getStore();
      const isFirst = !seen.includes(`sent for ${user}`);
      seen.push(`sent for ${user}`);
      return isFirst ? deaf() : new Response(user);
    },
    hedge: { afterMs: 10 },
    breaker: {
      classify: () => {
        seen.push(`classify for ${users.getStore()}`);
        return 'success';
      },
    },
  });
  const call = (user: string): Promise<Response> => users.run(user, () => client.fetch(url));
  const answers = await Promise.all([call('ada'), call('bob')]);
  expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(['ada', 'bob']);
  for (const user of ['ada', 'bob']) {
    expect(seen.filter((each) => each === `sent for ${user}`)).toHaveLength(2);
    // Of the attempt, and of the call.
    expect(seen.filter((each) => each === `classify for ${user}`)).toHaveLength(2);
  }
});
