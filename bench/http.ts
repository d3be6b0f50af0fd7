// Real HTTP on 127.0.0.1, 64 requests at a time: in a process of its own, run by main.ts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { Agent, RetryAgent, fetch as undiciFetch } from 'undici';

import { cockatiel, NOTHING, pipelines } from './pipeline.ts';
import { type Contenders, inAnyOrder, median } from './rounds.ts';

/** As multiples of a bare fetch's. */
export interface OverHttp {
  readonly requestsPerSecond: number;
  readonly processorTime: number;
}

const CONCURRENCY = 64;

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '15' }, requests: { type: 'string', default: '4000' } },
});
const requests = Number(values.requests);

// Elsewhere: it is the caller whose time is measured.
const server = spawn(
  process.execPath,
  [
    '-e',
    `const server = require('node:http').createServer((_, response) => {
      response.setHeader('content-type', 'application/json');
      response.end('{"id":1}');
    });
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));`,
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
const [port] = await once(server.stdout, 'data');
const url = `http://127.0.0.1:${String(port).trim()}/`;

/**
 * What else a server has in memory. With next to nothing, V8 sees that all that it had put into the old space at once has died, and
 * does so no more, at some moment of the run: from there on, a bare fetch takes two thirds of the processor time.
 */
const alive = Array.from({ length: 500_000 }, (_, index) => ({ index, list: [index] }));

const agent = new Agent();
const retrying = new RetryAgent(new Agent());
const calls = pipelines(NOTHING, { url, fetch: (...request) => fetch(...request) });
const policy = cockatiel();
const contenders: Contenders<string> = {
  ...Object.fromEntries(
    Object.entries(calls).map(([name, call]) => [
      name,
      // One of them has read the body by then.
      async (): Promise<string> => {
        const response = await call();
        return response.bodyUsed ? '' : response.text();
      },
    ]),
  ),
  // What whoever sets a limit can't do without.
  'a signal': async () => (await fetch(url, { signal: new AbortController().signal })).text(),
  // It aborts its signal when it is done: the body is read inside.
  cockatiel: () => policy.execute(async ({ signal }) => (await fetch(url, { signal })).text()),
  // Of a version of its own, beside a bare fetch of that.
  'undici, bare': async () => (await undiciFetch(url, { dispatcher: agent })).text(),
  'undici RetryAgent': async () => (await undiciFetch(url, { dispatcher: retrying })).text(),
};

/** Seconds of a round, and those of them that the processor was busy here. */
async function round(call: () => Promise<string>): Promise<{ seconds: number; busy: number }> {
  const before = process.cpuUsage();
  const since = performance.now();
  let left = requests;
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await call();
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, caller));
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - since) / 1_000, busy: (user + system) / 1e6 };
}

const found: Record<string, { rate: number[]; busy: number[] }> = {};
for (let turn = -1; turn < Number(values.rounds); turn += 1) {
  const rounds: Record<string, { seconds: number; busy: number }> = {};
  for (const [name, call] of inAnyOrder(Object.entries(contenders))) rounds[name] = await round(call);
  // The first is for the compiler, and for the connections.
  if (turn < 0) continue;
  for (const name of Object.keys(contenders)) {
    const base = rounds[name.startsWith('undici') ? 'undici, bare' : 'bare'];
    const own = rounds[name];
    if (base === undefined || own === undefined) continue;
    found[name] ??= { rate: [], busy: [] };
    found[name].rate.push(base.seconds / own.seconds);
    found[name].busy.push(own.busy / base.busy);
  }
}

const rounded = (numbers: readonly number[]): number => Number(median(numbers).toFixed(2));
const table: Record<string, OverHttp> = Object.fromEntries(
  Object.entries(found)
    .filter(([name]) => !name.endsWith('bare'))
    .map(([name, { rate, busy }]) => [name, { requestsPerSecond: rounded(rate), processorTime: rounded(busy) }]),
);
console.log(JSON.stringify(table));
server.kill();
process.exit(alive.length > 0 ? 0 : 1);
