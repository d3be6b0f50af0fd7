import { expect, test, vi } from 'vitest';

import { prepareRequest } from '../../src/http/request.ts';

const url = 'https://a.test/users?id=1';

test('prepareRequest() has no Request made where it is plain that nobody refuses it', () => {
  const made = vi.spyOn(globalThis, 'Request');
  const headers = { authorization: 'Bearer 1', 'content-type': 'application/json' };
  const { signal } = new AbortController();
  for (const init of [{ headers, signal }, { headers: new Headers(headers) }, { method: 'PUT', headers, body: '{}' }])
    prepareRequest(url, init, false);
  expect(made).not.toHaveBeenCalled();
  prepareRequest(url, { headers, cache: 'no-store' }, false);
  expect(made).toHaveBeenCalledTimes(1);
  made.mockRestore();
});
