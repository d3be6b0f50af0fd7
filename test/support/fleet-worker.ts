import { env, waitUntil } from 'cloudflare:workers';

import { type CircuitNamespace, durableFleet } from '../../src/adapters/cloudflare.ts';
import { createClient, SteadfetchError } from '../../src/index.ts';

export { CircuitObject } from '../../src/adapters/cloudflare.ts';

/** An object that takes a minute for an answer. */
export class SlowObject {
  fetch(): Promise<Response> {
    return new Promise((resolve) => setTimeout(() => resolve(new Response('{}')), 60_000));
  }
}

/** An object that answers with what is not of a fleet. */
export class LyingObject {
  async fetch(): Promise<Response> {
    return Response.json({ state: 'open', epoch: -1 });
  }
}

/** What is asked in place of the object. */
const namespaces: Readonly<Record<string, () => CircuitNamespace>> = {
  circuits: () => env['CIRCUITS'] as CircuitNamespace,
  throws() {
    throw new TypeError('There is no such binding');
  },
  slow: () => env['SLOW'] as CircuitNamespace,
  lying: () => env['LYING'] as CircuitNamespace,
  hangs: () => ({ idFromName: () => 0, get: () => ({ fetch: () => new Promise(() => {}) }) }),
};

const { quorum, resetTimeoutMs, successThreshold } = env['SETTINGS'] as {
  readonly quorum: number;
  readonly resetTimeoutMs: number;
  readonly successThreshold: number;
};
let asked = 'circuits';
let questions = 0;

// At module scope, as Workers keep it: there are no timers here, no chance, and the clocks stand still.
const fleet = durableFleet({
  namespace: () => {
    questions += 1;
    return namespaces[asked]?.() as CircuitNamespace;
  },
  waitUntil,
  pollMs: 100,
  quorum,
});
const client = createClient({
  retry: false,
  breaker: {
    failureThreshold: 3,
    successThreshold,
    resetTimeoutMs,
    maxResetTimeoutMs: 4 * resetTimeoutMs,
    resetJitter: 0,
    fleet,
  },
});
const told: unknown[] = [];
client.subscribe((event) => {
  if (event.type === 'fleet') told.push(event.status === 'alone' ? event.reason : event.status);
});

const actions: Readonly<Record<string, (query: URLSearchParams) => unknown>> = {
  async call(query) {
    try {
      return (await client.fetch(query.get('url') ?? '')).status;
    } catch (error) {
      return error instanceof SteadfetchError ? error.code : String(error);
    }
  },
  /** Which of the namespaces is asked from now on. */
  ask(query) {
    asked = query.get('namespace') ?? 'circuits';
    return asked;
  },
  state: () => Object.values(client.snapshot().dependencies)[0]?.breaker?.state ?? null,
  told: () => told,
  questions: () => questions,
};

/** The Worker: `/call?url=…`, `/ask?namespace=slow`, `/state`, `/told`, `/questions`. */
export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    return Response.json(await actions[pathname.slice(1)]?.(searchParams));
  },
};
