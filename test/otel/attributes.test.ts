import { expect, test } from 'vitest';

import { reasonAttribute, recordableUrl, serverAttributes, storeErrorAttribute } from '../../src/otel/attributes.ts';
import { clientBench } from '../client/bench.ts';

const urls = [
  { url: 'https://ann:pass@a.test/b?c=d#e', shown: 'https://a.test/b' },
  { url: 'http://127.0.0.1:8080/', shown: 'http://127.0.0.1:8080/' },
  { url: 'data:text/plain,secret', shown: 'data:' },
  { url: 'file:///home/ann/secret', shown: 'file:' },
];

test.for(urls)('recordableUrl() shows $shown of $url', ({ url, shown }) => {
  expect(recordableUrl(new URL(url), false)).toBe(shown);
});

const servers = [
  { url: 'https://a.test/', address: 'a.test', port: 443 },
  { url: 'http://a.test/', address: 'a.test', port: 80 },
  { url: 'https://[::1]:8443/', address: '::1', port: 8443 },
];

test.for(servers)('serverAttributes() knows the port of $url', ({ url, address, port }) => {
  const { client } = clientBench([200]);
  const call = { call: 1, client: undefined, dependency: 'a', method: 'GET', background: false, ownFetch: true };
  const snapshot = () => client.snapshot().dependencies as never;
  const attributes = serverAttributes({ ...call, url: new URL(url), snapshot });
  expect(attributes).toMatchObject({ 'server.address': address, 'server.port': port });
  expect(serverAttributes({ ...call, url: undefined, snapshot })).toEqual({ 'http.request.method': 'GET' });
});

test('serverAttributes() knows no server behind an address of another kind', () => {
  const url = new URL('data:text/plain,secret');
  const call = { call: 1, client: undefined, dependency: 'a', method: 'get', background: false, ownFetch: true, url };
  expect(serverAttributes({ ...call, snapshot: () => ({}) as never })).toEqual({ 'http.request.method': 'GET' });
});

test('storeErrorAttribute() and reasonAttribute() know so many words, and no more', () => {
  expect(['timeout', 'QuotaExceededError', 'user 5', ''].map(storeErrorAttribute)).toEqual([
    'timeout',
    'QuotaExceededError',
    'Error',
    'Error',
  ]);
  expect(['status-503', 'circuit-open', 'email=ann@a.test', 'x'.repeat(42)].map(reasonAttribute)).toEqual([
    'status-503',
    'circuit-open',
    'other',
    'other',
  ]);
});
