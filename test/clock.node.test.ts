import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const entry = JSON.stringify(new URL('../src/index.ts', import.meta.url).href);
const clock = JSON.stringify(new URL('../src/clock.ts', import.meta.url).href);

/** How long a child may take that has nothing to wait for. A timer that kept it alive would run longer. */
const guardMs = 20_000;

let server: Server;
let url: string;

beforeAll(async () => {
  // Answers in full, or gives a part of the body and leaves it at that.
  server = createServer((request, response) => {
    if (request.url === '/whole') response.end('whole');
    else response.writeHead(200).write('part');
    // The server lets go of its sockets: it is the child's own timers that are looked at.
    response.socket?.setTimeout(guardMs * 2);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  url = JSON.stringify(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => {
    server.close(resolve);
  });
});

/** What a process writes that runs `code` and then ends by itself; rejects if it has to be ended. */
async function outputOf(code: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
    timeout: guardMs,
  });
  return stdout.trim();
}

const idle: readonly { what: string; code: () => string }[] = [
  {
    what: 'has a client that is idle',
    code: () => `import { createClient } from ${entry}; createClient(); console.log('done');`,
  },
  {
    what: 'has a store that does not clear, and did not wait for it',
    code: () => `import { createClient, memoryStore } from ${entry};
      const store = { ...memoryStore(), clear: () => new Promise(() => {}) };
      const client = createClient({ fallback: { store } });
      void client.clear(); await client.close(); console.log('done');`,
  },
  {
    what: 'has made a call whose body it read',
    code: () => `import { createClient } from ${entry};
      const client = createClient({ fetch: async () => Response.json({}), deadlineMs: 600_000, attemptTimeoutMs: 600_000 });
      await client.json('https://a.test/'); console.log('done');`,
  },
  {
    what: 'has made a call that was answered, its body unread and its deadline far away',
    code: () => `import { createClient } from ${entry};
      const client = createClient({ fetch: async () => new Response('text'), deadlineMs: 600_000 });
      globalThis.kept = await client.fetch('https://a.test/'); console.log('done');`,
  },
  {
    what: 'has an open circuit',
    code: () => `import { createClient } from ${entry};
      const breaker = { failureThreshold: 1, resetTimeoutMs: 100_000 };
      const client = createClient({ fetch: async () => new Response('', { status: 503 }), retry: false, breaker });
      await client.fetch('https://a.test/');
      console.log(await client.fetch('https://a.test/').catch(({ code }) => code));`,
  },
  {
    what: 'has used every layer alone',
    code: () => `import { Bulkhead, CircuitBreaker, compose, retry, RetryBudget, withDeadline, withTimeout } from ${entry};
      new RetryBudget();
      const policy = compose(withDeadline(600_000), new Bulkhead(), new CircuitBreaker(), retry(), withTimeout(600_000));
      console.log(await policy.execute(() => 'done'));`,
  },
  {
    what: 'waits for a signal alone, near or far',
    code: () => `import { platformClock } from ${clock};
      globalThis.kept = [platformClock.timeoutSignal(600_000), platformClock.timeoutSignal(2 ** 31)];
      console.log('done');`,
  },
  {
    what: 'has a timer that was let go, near or far',
    code: () => `import { platformClock } from ${clock};
      for (const delayMs of [600_000, 2 ** 31, Infinity]) platformClock.schedule(delayMs, () => {}).unref();
      console.log('done');`,
  },
  {
    what: 'has cancelled its timers',
    code: () => `import { platformClock } from ${clock};
      for (const delayMs of [600_000, 2 ** 31, Infinity]) platformClock.schedule(delayMs, () => {})();
      console.log('done');`,
  },
];

test.for(idle)('a process ends by itself that $what', { timeout: guardMs * 2 }, async ({ code }) => {
  expect(await outputOf(code())).toMatch(/^(done|CIRCUIT_OPEN)$/);
});

test('a process ends by itself that leaves a body unread that came over a socket', {
  timeout: guardMs * 2,
}, async () => {
  const code = `import { createClient } from ${entry};
    globalThis.kept = await createClient({ deadlineMs: 600_000 }).fetch(new URL('/whole', ${url}));
    console.log(kept.status);`;
  expect(await outputOf(code)).toBe('200');
});

test('a process ends by itself that reads half a body over a socket, and then drops it', {
  timeout: guardMs * 2,
}, async () => {
  const code = `import { createClient } from ${entry};
    const client = createClient({ deadlineMs: 600_000 });
    const response = await client.fetch(${url});
    const reader = response.body.getReader();
    console.log(new TextDecoder().decode((await reader.read()).value));
    await reader.cancel();`;
  expect(await outputOf(code)).toBe('part');
});

test('a process waits for a timer that was not let go', { timeout: guardMs * 2 }, async () => {
  const code = `import { platformClock } from ${clock};
    const startedAt = platformClock.now();
    platformClock.schedule(300, () => console.log(platformClock.now() - startedAt >= 299));`;
  expect(await outputOf(code)).toBe('true');
});

test('a process waits for a call that is under way, as long as its deadline allows', {
  timeout: guardMs * 2,
}, async () => {
  const code = `import { createClient } from ${entry};
    const client = createClient({ fetch: () => new Promise(() => {}), deadlineMs: 300, retry: false });
    client.fetch('https://a.test/').catch(({ code }) => console.log(code));`;
  expect(await outputOf(code)).toBe('DEADLINE_EXCEEDED');
});
