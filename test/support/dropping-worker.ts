import { createClient } from '../../src/index.ts';

declare function gc(): void;

const bulkhead = { maxConcurrent: 1, maxQueued: 0 } as const;
const clients = {
  headers: createClient({ bulkhead }),
  body: createClient({ bulkhead: { ...bulkhead, slot: 'body' } }),
};

/** A Worker that drops a Response unread (`/headers/drop?url=…`), and collects garbage: `/headers/collect`. */
export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, name, action] = pathname.split('/');
    const client = clients[name as keyof typeof clients];
    if (action === 'drop') await client.fetch(searchParams.get('url') ?? '');
    else gc();
    return Response.json(Object.values(client.snapshot().dependencies)[0]?.running);
  },
};
