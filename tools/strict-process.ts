// Set-up of the tests that run in a Node process: what they must not do to it.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect } from 'vitest';

// A warning (too many listeners, a promise handled late) fails the run as an error that nobody caught.
if (!process.listeners('warning').some(({ name }) => name === fail.name)) process.on('warning', fail);

function fail(warning: Error): void {
  if (warning.name !== 'ExperimentalWarning') throw warning;
}

// What keeps the process alive: an unreferenced timer or socket is free to stay. Vitest's own pipes are here before a test is;
// that of the standard input comes with the first look at it.
void process.stdin;
const ours = process.getActiveResourcesInfo().filter((resource) => resource !== 'Timeout');

afterAll(async () => {
  let leaked = leftBehind();
  // A closed socket is gone a few turns of the event loop later, and Vitest's own short timers take their time.
  for (let waitedMs = 0; leaked.length > 0 && waitedMs < 2_000; waitedMs += 50) {
    await sleep(50);
    leaked = leftBehind();
  }
  expect(leaked, 'timers, sockets or processes that this file left behind').toEqual([]);
});

function leftBehind(): string[] {
  const rest = [...ours];
  return process.getActiveResourcesInfo().filter((resource) => {
    const known = rest.indexOf(resource);
    if (known >= 0) rest.splice(known, 1);
    return known < 0;
  });
}
