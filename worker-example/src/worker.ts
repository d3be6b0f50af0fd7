// A small product API in front of two upstreams: it answers while they are slow, broken or gone, and says so.
import { env } from 'cloudflare:workers';
import { createClient, type FetchInit, HttpError, incomingDeadline, SteadfetchError } from 'steadfetch';
import { type KvNamespace, kvStore } from 'steadfetch/cloudflare';
import { createServerTiming } from 'steadfetch/server-timing';

/** What wrangler.jsonc binds. */
interface Bindings {
  readonly ANSWERS: KvNamespace;
  readonly CATALOGUE: string;
  readonly RECOMMENDER: string;
}

interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void;
}

const { ANSWERS, CATALOGUE, RECOMMENDER } = env as unknown as Bindings;

// At module scope: all requests of an isolate share what is known of an upstream, and nothing happens before the first.
const catalogue = createClient({
  name: 'catalogue',
  deadlineMs: 1_500,
  attemptTimeoutMs: 400,
  retry: { maxAttempts: 2, initialDelayMs: 50 },
  breaker: { failureThreshold: 5, successThreshold: 1, resetTimeoutMs: 1_000, maxResetTimeoutMs: 4_000 },
  bulkhead: { maxConcurrent: 20, maxQueued: 200 },
  isolateBy: () => 'catalogue',
  propagateDeadline: true,
  fallback: { store: kvStore({ namespace: ANSWERS, partition: 'public' }), coalesce: true },
});

// Nobody waits for advice: it has little time, no second try, and nothing is an answer, too.
const recommender = createClient({
  name: 'recommender',
  deadlineMs: 300,
  attemptTimeoutMs: 250,
  retry: false,
  breaker: { resetTimeoutMs: 1_000, maxResetTimeoutMs: 4_000 },
  isolateBy: () => 'recommender',
  propagateDeadline: true,
  fallback: { respond: () => Response.json([]) },
});

// What a page may know of where its time went: by these names, and by no others.
const timings = [
  createServerTiming(catalogue, { name: 'catalogue' }),
  createServerTiming(recommender, { name: 'recommender' }),
];

export default {
  async fetch(request: Request, _env: unknown, context: ExecutionContext): Promise<Response> {
    const { pathname } = new URL(request.url);
    try {
      const response = await route(pathname, request, context);
      return open(response, response);
    } catch (error) {
      return open(refusal(error), error);
    }
  },
};

function route(pathname: string, request: Request, context: ExecutionContext): Promise<Response> | Response {
  if (request.method === 'OPTIONS') return new Response(null, { status: 204 });
  if (pathname === '/livez') return new Response('ok');
  if (pathname === '/readyz') return readiness();
  const init: FetchInit = {
    // What is left of the caller's time, at most two seconds; and no more work once it has left.
    deadline: incomingDeadline(request, { maxMs: 2_000 }),
    signal: request.signal,
    waitUntil: (work) => context.waitUntil(work),
  };
  const [, resource, id] = pathname.split('/');
  if (resource === 'products') return catalogue.fetch(`${CATALOGUE}${pathname}`, init);
  if (resource === 'recommended') return recommender.fetch(`${RECOMMENDER}/for/${id ?? ''}`, init);
  // A write is sent once, and never answered from the store.
  if (resource === 'orders' && request.method === 'POST') {
    return catalogue.fetch(`${CATALOGUE}/orders`, { ...init, method: 'POST', body: request.body });
  }
  return Response.json({ error: 'There is nothing here' }, { status: 404 });
}

/** Ready while it can answer, be it from the store; whoever looks can see what it knows of its upstreams. */
function readiness(): Response {
  const upstreams = [catalogue, recommender].map((client) => client.snapshot());
  const dependencies = upstreams.flatMap(({ dependencies }) => Object.entries(dependencies));
  const isDown = dependencies.some(([, { breaker }]) => breaker !== null && breaker.state !== 'closed');
  const headers = { 'content-type': 'application/health+json', 'cache-control': 'no-store' };
  const report = { status: isDown ? 'warn' : 'pass', dependencies: Object.fromEntries(dependencies) };
  return new Response(JSON.stringify(report), { headers });
}

/** For pages of any origin, which may see whether an answer is degraded, how old it is, and what took how long. */
function open(response: Response, outcome: unknown): Response {
  const opened = new Response(response.body, response);
  for (const serverTiming of timings) {
    const timing = serverTiming(outcome);
    if (timing !== '') opened.headers.append('server-timing', timing);
  }
  opened.headers.set('timing-allow-origin', '*');
  opened.headers.set('access-control-allow-origin', '*');
  opened.headers.set('access-control-allow-headers', 'content-type');
  opened.headers.set('access-control-expose-headers', 'Cache-Status, Age');
  return opened;
}

function refusal(error: unknown): Response {
  const code = error instanceof SteadfetchError ? error.code : 'NETWORK';
  const status = error instanceof HttpError ? error.response.status : 503;
  return Response.json({ error: code }, { status, headers: { 'retry-after': '1' } });
}
