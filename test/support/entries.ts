import type { StoredResponse, StoreEntry } from '../../src/index.ts';

export function storedOf(body: string | null, more: Partial<StoredResponse> = {}): StoredResponse {
  const bytes = body === null ? null : new TextEncoder().encode(body);
  return {
    url: 'https://api.test/',
    redirected: false,
    type: 'basic',
    status: 200,
    statusText: 'OK',
    headers: [['content-type', 'text/plain']],
    body: bytes,
    bodyBytes: bytes?.byteLength ?? 0,
    receivedAt: Date.UTC(2026, 0, 1),
    initialAgeMs: 0,
    variesBy: [],
    ...more,
  };
}

export function entryOf(key: string, body: string | null = 'body', more: Partial<StoreEntry> = {}): StoreEntry {
  return { key, variants: [storedOf(body)], expiresAt: Date.UTC(2026, 0, 2), ...more };
}
