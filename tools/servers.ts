import { existsSync } from 'node:fs';

/** Real servers that some tests need: Debian's, or whatever the variable names. */
const searches = {
  prometheus: {
    variable: 'STEADFETCH_PROMETHEUS',
    place: '/usr/bin/prometheus',
    tests: 'test/otel/prometheus.node.test.ts',
  },
  'redis-server': { variable: 'STEADFETCH_REDIS', place: '/usr/bin/redis-server', tests: 'test/redis/**' },
} as const;

export type ServerName = keyof typeof searches;
export const serverNames = Object.keys(searches) as readonly ServerName[];

/** The binary; `undefined` when it is not installed: then its tests are left out, and `npm test` is loud about it. */
export function findServer(name: ServerName): string | undefined {
  const { variable, place } = searches[name];
  const path = process.env[variable] ?? place;
  return existsSync(path) ? path : undefined;
}

/** The tests of servers that are not installed. */
export function testsWithoutServer(): readonly string[] {
  return serverNames.filter((name) => findServer(name) === undefined).map((name) => searches[name].tests);
}
