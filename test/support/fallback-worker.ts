import { createClient, degradation, memoryStore } from '../../src/index.ts';

// At module scope, as Workers keep it: all requests of the isolate share what is stored.
const client = createClient({
  retry: false,
  breaker: false,
  deadlineMs: 1_500,
  fallback: { store: memoryStore(), cacheControl: 'ignore', staleWhileRevalidateMs: 60_000, coalesce: true },
});

interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void;
}

/** The Worker: `/?url=…` answers through the client, `&wait` lets the isolate wait for what goes on behind the answer. */
export default {
  async fetch(request: Request, _env: unknown, context: ExecutionContext): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const init = searchParams.has('wait') ? { waitUntil: (work: Promise<unknown>) => context.waitUntil(work) } : {};
    const response = await client.fetch(searchParams.get('url') ?? '', init);
    return Response.json({ text: await response.text(), degraded: degradation(response)?.reason ?? null });
  },
};
