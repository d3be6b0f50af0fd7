import { expect, test } from 'vitest';

import { encounter } from '../support/encounter.ts';

/** DESIGN.md, section 3: how often a GET is sent at most, and what the circuit breaker makes of the last answer. */
const rows = [
  {
    statuses: [200, 201, 203, 400, 401, 403, 404, 405, 409, 410, 413, 418, 422, 451, 499],
    requests: 1,
    outcome: 'success',
  },
  { statuses: [408, 425, 429], requests: 3, outcome: 'ignored' },
  { statuses: [500, 502, 503, 504], requests: 3, outcome: 'failure' },
  { statuses: [501, 505, 507, 511, 599], requests: 1, outcome: 'failure' },
].flatMap(({ statuses, ...expected }) => statuses.map((status) => ({ status, ...expected })));

const retryable = rows.filter(({ requests }) => requests > 1);

test.for(rows)('client.fetch hands out the response after $requests requests, $outcome, for $status', async (row) => {
  const { given, outcome, seen, failure } = await encounter(`${row.status};body=text`);
  expect(given).toEqual({ status: row.status, body: 'text' });
  expect(outcome).toBe(row.outcome);
  expect(seen).toHaveLength(row.requests);
  expect(failure).toBe(row.outcome === 'success' ? undefined : 'status');
});

test.for(rows)('client.json gives the value or HTTP after $requests requests, $outcome, for $status', async (row) => {
  const { given, outcome, seen } = await encounter(`${row.status};body=[1]`, { use: 'json' });
  expect(given).toEqual(row.status < 300 ? { value: [1] } : { error: 'HTTP' });
  expect(outcome).toBe(row.outcome);
  expect(seen).toHaveLength(row.requests);
});

test.for(retryable)('client.fetch recovers at the second request, success, for $status once', async ({ status }) => {
  const { given, outcome, seen } = await encounter(`${status},ok`);
  expect(given).toMatchObject({ status: 200 });
  expect(outcome).toBe('success');
  expect(seen.map(({ fault }) => fault)).toEqual([String(status), 'ok']);
});
