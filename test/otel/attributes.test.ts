import { expect, test } from 'vitest';

import { recordableUrl, serverAttributes } from '../../src/otel/attributes.ts';
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
  { url: 'https://[::1]:8443/', address: '[::1]', port: 8443 },
];

test.for(servers)('serverAttributes() knows the port of $url', ({ url, address, port }) => {
  const { client } = clientBench([200]);
  const call = { call: 1, client: undefined, dependency: 'a', method: 'GET', background: false };
  const snapshot = () => client.snapshot().dependencies as never;
  const attributes = serverAttributes({ ...call, url: new URL(url), snapshot });
  expect(attributes).toMatchObject({ 'server.address': address, 'server.port': port });
  expect(serverAttributes({ ...call, url: undefined, snapshot })).toEqual({ 'http.request.method': 'GET' });
});
