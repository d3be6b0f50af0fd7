import { expect } from 'vitest';

import { bytesOf, type StoreEntry } from '../../src/stores/store.ts';

/** An entry of one variant: with a body of so many bytes, or without. */
export function entryOf(key: string, size?: number, statusText = ''): StoreEntry {
  const body = size === undefined ? null : new Uint8Array(size).fill(7);
  return {
    key,
    variants: [
      {
        url: 'https://a.test/',
        type: 'basic',
        redirected: false,
        status: 200,
        statusText,
        headers: [['content-type', 'text/plain']],
        body,
        bodyBytes: body?.byteLength ?? 0,
        receivedAt: 1_000,
        initialAgeMs: 0,
        variesBy: [],
      },
    ],
    expiresAt: 2_000,
  };
}

/** A connection of somebody else's, who closes it when they like. */
export function openRaw(name: string, version?: number, upgrade?: (db: IDBDatabase) => void): Promise<IDBDatabase> {
  const request = indexedDB.open(name, version);
  request.onupgradeneeded = () => upgrade?.(request.result);
  return result(request);
}

export function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Deletes the database. Does not end before everybody has closed their connection. */
export async function drop(name: string): Promise<void> {
  await result(indexedDB.deleteDatabase(name));
}

/** What somebody else does to the records of a store. */
export async function edit(name: string, change: (objects: IDBObjectStore) => void): Promise<void> {
  const db = await openRaw(name);
  const transaction = db.transaction('responses', 'readwrite');
  change(transaction.objectStore('responses'));
  await new Promise((resolve) => transaction.addEventListener('complete', resolve));
  db.close();
}

export interface Contents {
  /** Keys of the entries, the one unused the longest first. */
  readonly keys: readonly string[];
  readonly bytes: number;
}

/** What is in the database, which has to be consistent: no half of a pair, no wrong size, no number given twice. */
export async function contentsOf(name: string): Promise<Contents> {
  const db = await openRaw(name);
  const objects = db.transaction('responses').objectStore('responses');
  const [keys, values] = await Promise.all([result(objects.getAllKeys()), result<unknown[]>(objects.getAll())]);
  db.close();
  const entries = new Map<string, StoreEntry>();
  const metas = new Map<string, { bytes: number; used: number }>();
  for (const [index, path] of keys.entries()) {
    if (!Array.isArray(path)) continue;
    const [kind, key] = path as [string, string];
    if (kind === 'entry') entries.set(key, values[index] as StoreEntry);
    else metas.set(key, values[index] as { bytes: number; used: number });
  }
  expect([...metas.keys()], 'keys of the metas').toEqual([...entries.keys()]);
  for (const [key, entry] of entries) expect(metas.get(key)?.bytes, `bytes of ${key}`).toBe(bytesOf(entry));
  const inOrder = [...metas].sort(([, one], [, other]) => one.used - other.used);
  expect(new Set(inOrder.map(([, { used }]) => used)).size, 'numbers').toBe(inOrder.length);
  return { keys: inOrder.map(([key]) => key), bytes: inOrder.reduce((sum, [, { bytes }]) => sum + bytes, 0) };
}
