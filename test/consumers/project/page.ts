// What a page may write.
import { type Client, createClient } from 'steadfetch';
import type { SteadfetchDevtools } from 'steadfetch/devtools';
import { idbStore } from 'steadfetch/idb';

import { isExactly } from './same.ts';

const client = createClient({ fallback: { store: idbStore({ partition: 'public' }), maxAgeMs: 60_000 } });
// @ts-expect-error: whose answers they are has to be said, for what outlives the page.
idbStore({ name: 'answers' });

// The element is known by its name.
const panel = document.createElement('steadfetch-devtools');
isExactly<SteadfetchDevtools>()(panel);
panel.client = client;
panel.span = 120;
// @ts-expect-error
panel.client = {};
isExactly<SteadfetchDevtools | null>()(document.querySelector('steadfetch-devtools'));

const form = new FormData();
export const sent: Promise<Response> = client.fetch('/orders', {
  method: 'POST',
  body: form,
  credentials: 'include',
  keepalive: true,
});
export const blob: Promise<Blob> = client.fetch(new URL('/picture', location.href)).then((response) => response.blob());

// A client stands where a fetch is asked for, and the platform's fetch where the client asks for one.
const asFetch: typeof fetch = client.fetch;
export const other: Client = createClient({ fetch: asFetch });
addEventListener('pagehide', () => void client.close());
