import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

import { createServerAdapter } from '@whatwg-node/server';
import express from 'express';
import { Hono } from 'hono';
import { expect, test } from 'vitest';

import { createHealth } from '../../src/health/index.ts';
import { figuresIn } from '../docs/figures.ts';
import { snippetsOf } from '../docs/snippets.ts';

// One handler that takes a Request: what each kind of server needs to use it, as it stands in docs/health.md.

/** Runs the JavaScript of the page in which `text` occurs, with what it takes for granted. */
function runSnippet(text: string, given: Readonly<Record<string, unknown>>): void {
  const code = snippetsOf('docs/health.md', 'js').find((snippet) => snippet.code.includes(text))?.code;
  if (code === undefined) throw new Error(`docs/health.md has no JavaScript with ${text}`);
  new Function(...Object.keys(given), code.replaceAll(/^import .*$/gm, ''))(...Object.values(given));
}

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

const users = () => new Response('the users', { headers: { 'content-type': 'text/plain' } });

test('the handler of createHealth() serves node:http, by an adapter', async () => {
  const listeners: RequestListener[] = [];
  const listen = (listener: RequestListener) => {
    listeners.push(listener);
    return { listen() {} };
  };
  runSnippet('createServer(', { createServer: listen, createServerAdapter, health, answer: users });
  expect(await ask(listeners[0] as RequestListener, paths)).toEqual(answers);
});

test('the handler of createHealth() serves Express, by an adapter', async () => {
  const app = express();
  runSnippet('app.get(', { app, createServerAdapter, health });
  app.get('/users', (_request, response) => void response.type('text/plain').end('the users'));
  const seen = await ask(app as RequestListener, paths);
  expect(seen.map((each) => each.replace('; charset=utf-8', ''))).toEqual(answers);
});

/** What a server answers that takes a Request. */
const askFetch = (fetch: (request: Request) => Response | Promise<Response>): Promise<string[]> =>
  Promise.all(
    paths.map(async (path) => {
      const response = await fetch(new Request(`https://service.test${path}`));
      return `${response.status} ${response.headers.get('content-type')} ${await response.text()}`;
    }),
  );

test('the handler of createHealth() serves Hono, as it is', async () => {
  const app = new Hono();
  runSnippet('context.req.raw', { app, health });
  app.get('/users', (context) => context.body('the users', 200, { 'content-type': 'text/plain' }));
  expect(await askFetch(app.fetch)).toEqual(answers);
});

test('the handler of createHealth() serves Workers, Deno and Bun, as it is', async () => {
  const [code = ''] = figuresIn('health', /\*\*Workers, Deno, Bun\*\*: `(.*)`\./);
  const server = new Function('health', 'answer', `return { ${code} }`)(health, users);
  expect(await askFetch(server.fetch)).toEqual(answers);
});
