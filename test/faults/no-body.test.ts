import { expect, test } from 'vitest';

import { encounter } from '../support/encounter.ts';

const rows = [
  { fault: '204', method: 'GET', status: 204, json: { value: undefined } },
  { fault: '304', method: 'GET', status: 304, json: { error: 'HTTP' } },
  { fault: 'ok', method: 'HEAD', status: 200, json: { value: undefined } },
  { fault: '404', method: 'HEAD', status: 404, json: { error: 'HTTP' } },
];

test.for(rows)(
  'client.fetch hands out an empty response, for $method and $fault',
  async ({ fault, method, status }) => {
    const { given, outcome, seen } = await encounter(fault, { init: { method } });
    expect(given).toEqual({ status, body: '' });
    expect(outcome).toBe('success');
    expect(seen).toHaveLength(1);
  },
);

test.for(rows)('client.json reads no body, for $method and $fault', async ({ fault, method, json }) => {
  const { given, outcome, seen } = await encounter(fault, { use: 'json', init: { method } });
  expect(given).toEqual(json);
  expect(outcome).toBe('success');
  expect(seen).toHaveLength(1);
});

test('client.fetch sends HEAD again without reading a body, for 503', async () => {
  const { given, seen } = await encounter('503,503,ok', { init: { method: 'HEAD' } });
  expect(given).toEqual({ status: 200, body: '' });
  expect(seen.map(({ method }) => method)).toEqual(['HEAD', 'HEAD', 'HEAD']);
});
