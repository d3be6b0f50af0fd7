import { join } from 'node:path';
import { buildSync } from 'esbuild';
import json5 from 'json5';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { expect, onTestFinished, test } from 'vitest';

import { upstream } from '../recipes/upstream.ts';
import { snippetsOf, writeNamedFiles } from './snippets.ts';

interface Config {
  readonly compatibility_date: string;
  readonly compatibility_flags: string[];
  readonly kv_namespaces: readonly { readonly binding: string }[];
}

type Options = Parameters<typeof convertV4MiniflareOptions>[0];

/** A Worker in a fresh isolate, until the test is over: where it can be asked without a proxy, which would keep its requests alive. */
async function serve(worker: string, options: object): Promise<URL> {
  const { outputFiles } = buildSync({
    ...{ stdin: { contents: worker, loader: 'ts', resolveDir: '.' }, external: ['cloudflare:workers'] },
    ...{ bundle: true, write: false, format: 'esm', target: 'es2022', logLevel: 'error' },
  });
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      ...{ cf: false, host: '127.0.0.1', modules: true, script: outputFiles?.[0]?.text ?? '' },
      ...{ unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }], handleStructuredLogs: () => {} },
      ...options,
    } as Options),
  );
  onTestFinished(() => miniflare.dispose());
  await miniflare.ready;
  return miniflare.unsafeGetDirectURL();
}

test('docs/workers.md: the Worker answers from KV while its upstream is down, within the time of its caller, which it tells', async () => {
  const directory = writeNamedFiles('docs/workers.md', 'workers');
  const [block] = snippetsOf('docs/workers.md', 'jsonc');
  const config = json5.parse<Config>(block?.code ?? '');
  const told: number[] = [];
  let isDown = false;
  const catalogue = ({ url, headers }: Request): Response => {
    told.push(Number(headers.get('x-envoy-expected-rq-timeout-ms')));
    return isDown ? new Response(null, { status: 503 }) : Response.json([url]);
  };
  const address = await serve(`export { default } from ${JSON.stringify(join(directory, 'src/worker.ts'))}`, {
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
    kvNamespaces: config.kv_namespaces.map(({ binding }) => binding),
    outboundService: catalogue,
  });
  const ask = async (headers: HeadersInit = {}): Promise<readonly unknown[]> => {
    const response = await fetch(address, { headers });
    return [response.status, await response.text(), response.headers.has('cache-status')];
  };
  const products = '["https://catalogue.internal/products"]';
  expect(await ask()).toEqual([200, products, false]);
  // It is stored behind the answer.
  isDown = true;
  await expect.poll(() => ask()).toEqual([200, products, true]);
  expect((await ask({ 'x-envoy-expected-rq-timeout-ms': '0' }))[0]).toBe(500);
  // Later ones are refreshes, which are in no hurry.
  expect(told[0]).toBeLessThanOrEqual(2_000);
});

const across = `
  import { createClient } from 'steadfetch';
  const options = { retry: false, deadlineMs: 1_000 };
  const clients = {
    queue: createClient({ ...options, bulkhead: { maxConcurrent: 1 } }),
    shared: createClient({ ...options, fallback: { coalesce: true } }),
  };
  let asked = 0;
  export default {
    async fetch(request) {
      const { by, url } = Object.fromEntries(new URL(request.url).searchParams);
      if (by === undefined) return new Response(asked);
      asked += 1;
      return new Response(await (await clients[by].fetch(url)).text());
    },
  };`;

test.for([
  { by: 'queue', compatibilityDate: '2024-10-14', second: 200 },
  { by: 'shared', compatibilityDate: '2024-10-14', second: 200 },
  { by: 'queue', compatibilityDate: '2024-10-13', second: 500 },
  { by: 'shared', compatibilityDate: '2024-10-13', second: 500 },
])(
  'docs/workers.md: who waits for the call of another request ($by) gets a $second as of $compatibilityDate',
  async ({ by, compatibilityDate, second }) => {
    const address = await serve(across, { compatibilityDate });
    const first = Promise.withResolvers<Response>();
    const { url, requests } = await upstream(() => (requests.length === 1 ? first.promise : new Response('two')));
    const ask = async (): Promise<number> => {
      const response = await fetch(`${address}?${new URLSearchParams({ by, url })}`);
      await response.text();
      return response.status;
    };
    const asked = ask();
    await expect.poll(() => requests).toHaveLength(1);
    const waiting = ask();
    await expect.poll(async () => (await fetch(address)).text()).toBe('2');
    first.resolve(new Response('one'));
    expect([await asked, await waiting]).toEqual([200, second]);
  },
);
