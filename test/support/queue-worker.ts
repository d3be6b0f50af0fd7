import {
  type Client,
  type ClientOptions,
  type ClientSnapshot,
  createClient,
  type FetchInit,
  SteadfetchError,
} from '../../src/index.ts';

/** Put in by who bundles this: the state of an earlier isolate. */
declare const SNAPSHOT: ClientSnapshot;

const oneSlot: ClientOptions = { bulkhead: { maxConcurrent: 1, maxQueued: 2 }, breaker: false, retry: false };

// Where Workers keep what outlives a request: at module scope, where they may start no timer and draw no random number.
const clients = {
  patient: createClient(oneSlot),
  hasty: createClient({ ...oneSlot, bulkhead: { maxConcurrent: 1, maxQueued: 2, queueTimeoutMs: 200 } }),
  fragile: createClient({ retry: false, breaker: { failureThreshold: 1, resetTimeoutMs: 300, resetJitter: 0 } }),
  restored: createClient({ isolateBy: () => 'dependency', restore: SNAPSHOT }),
};

/** One signal for the calls of all requests, as for a shutdown. */
const shared = new AbortController();

/** What a request of this Worker is to do, as the query says it. */
const actions = {
  async call(client: Client, query: URLSearchParams, request: Request): Promise<unknown> {
    const init: FetchInit = {
      deadlineMs: Number(query.get('deadlineMs')),
      ...(query.has('tied') ? { signal: request.signal } : {}),
      ...(query.has('shared') ? { signal: shared.signal } : {}),
    };
    const call = client.json(query.get('url') ?? '', init).then(({ value }) => value, codeOf);
    return query.has('leave') ? 'left' : call;
  },
  async snapshot(client: Client): Promise<unknown> {
    return Object.values(client.snapshot().dependencies)[0] ?? null;
  },
  async abort(): Promise<unknown> {
    shared.abort('shut down');
    return 'aborted';
  },
  async close(client: Client, query: URLSearchParams): Promise<unknown> {
    await client.close({ drainMs: Number(query.get('drainMs')) });
    return 'closed';
  },
};

/** The Worker: `/patient/call?url=…&deadlineMs=…`, `/hasty/snapshot`, `/patient/close?drainMs=…`. */
export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, client, action] = pathname.split('/');
    const act = actions[action as keyof typeof actions];
    return Response.json(await act(clients[client as keyof typeof clients], searchParams, request));
  },
};

function codeOf(error: unknown): string {
  return error instanceof SteadfetchError ? error.code : String(error);
}
