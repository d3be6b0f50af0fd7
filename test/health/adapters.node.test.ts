import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

import { createServerAdapter } from '@whatwg-node/server';
import express from 'express';
import { Hono } from 'hono';
import { expect, test } from 'vitest';

import { createHealth } from '../../src/health/index.ts';

// One handler that takes a Request: what each kind of server needs to use it.

/** Asks a real server, and closes it. */
async function ask(listener: RequestListener, paths: readonly string[]): Promise<string[]> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const answers: string[] = [];
    for (const path of paths) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });
      answers.push(`${response.status} ${response.headers.get('content-type')} ${await response.text()}`);
    }
    return answers;
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

const paths = ['/livez', '/readyz', '/users'] as const;
const answers = [
  '200 application/health+json {"status":"pass"}',
  '503 application/health+json {"status":"fail"}',
  '200 text/plain the users',
];
const health = createHealth({ readiness: { users: () => false } });

test('the handler of createHealth() serves node:http, by an adapter', async () => {
  const users = () => new Response('the users', { headers: { 'content-type': 'text/plain' } });
  const adapter = createServerAdapter(async (request: Request) => (await health.handler(request)) ?? users());
  expect(await ask(adapter, paths)).toEqual(answers);
});

test('the handler of createHealth() serves Express, by an adapter', async () => {
  const app = express();
  const probes = createServerAdapter((request: Request) => health.handler(request) as Promise<Response>);
  app.get(['/livez', '/readyz', '/startupz'], probes as unknown as express.RequestHandler);
  app.get('/users', (_request, response) => void response.type('text/plain').end('the users'));
  const seen = await ask(app as RequestListener, paths);
  expect(seen.map((each) => each.replace('; charset=utf-8', ''))).toEqual(answers);
});

test('the handler of createHealth() serves Hono, as it is', async () => {
  const app = new Hono();
  app.use(async (context, next) => (await health.handler(context.req.raw)) ?? next());
  app.get('/users', (context) => context.body('the users', 200, { 'content-type': 'text/plain' }));
  const seen = await Promise.all(
    paths.map(async (path) => {
      const response = await app.request(path);
      return `${response.status} ${response.headers.get('content-type')} ${await response.text()}`;
    }),
  );
  expect(seen).toEqual(answers);
});
