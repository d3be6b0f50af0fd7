import { expect } from 'vitest';

import {
  type Client,
  type ClientOptions,
  createClient,
  type DependencySnapshot,
  type FetchInit,
  type SteadEvent,
  SteadfetchError,
} from '../../src/index.ts';
import { refusedUrl, type Scenario, type SeenRequest, scenario } from './scenario.ts';

/** The two ways to use a client; every fault is met in both. */
export type Use = 'fetch' | 'json';
export const uses: readonly Use[] = ['fetch', 'json'];

/** What the caller was given. A code is ours; a network error is whatever the platform calls it. */
export type Given =
  | { readonly status: number; readonly body: string }
  | { readonly value: unknown }
  | { readonly error: string };

/** How a call went that met a fault: seen by its caller, by the listeners, by the server and by the calls after it. */
export interface Encounter {
  readonly given: Given;
  /** The error behind `given`. */
  readonly thrown: unknown;
  /** What the circuit breaker made of it, found out by how it behaves. */
  readonly outcome: 'success' | 'failure' | 'ignored';
  readonly attempts: number;
  /** In which way it failed, according to its `completed` event. */
  readonly failure: string | undefined;
  readonly events: readonly SteadEvent[];
  /** What reached the server. None of these connections is open any more. */
  readonly seen: readonly SeenRequest[];
}

export interface EncounterOptions extends ClientOptions {
  readonly use?: Use;
  readonly init?: FetchInit;
  /** Runs each time another request has arrived at the server: to let time pass, or to abort. */
  readonly onArrival?: () => unknown;
}

/** Text of a body that could not be read to its end. */
export const broken = 'broken';
/** An error that is not ours. */
export const networkError = 'network error';

/**
 * Sends one call to a fault, over a client that retries without waiting and has a single slot, and looks at it from all
 * sides. The calls before and after it need the slot too: one that is not given back makes them fail.
 */
export async function encounter(script: string, options: EncounterOptions = {}): Promise<Encounter> {
  const { use = 'fetch', init, onArrival, ...clientOptions } = options;
  const client = createClient({
    isolateBy: () => 'dependency',
    bulkhead: { maxConcurrent: 1, maxQueued: 0 },
    breaker: { failureThreshold: 2 },
    retry: { initialDelayMs: 0 },
    ...clientOptions,
  });
  const { url, arrived, closed } = script === 'refused' ? await refused() : scenario(script);
  const events: SteadEvent[] = [];

  await failOnce(client);
  const unsubscribe = client.subscribe((event) => events.push(event));
  const call = receive(client, use, url, init);
  if (onArrival) await onEachArrival(arrived, call, onArrival);
  const { given, thrown } = await call;
  await expect.poll(() => stateOf(client)?.running).toBe(0); // an engine may need a moment to notice an abort
  unsubscribe();

  const outcome = await outcomeOfLastCall(client);
  const completed = events.find((event) => event.type === 'completed');
  expect(completed).toMatchObject({ outcome });
  const seen = await closed();
  expect(seen.map(({ connection }) => connection)).not.toContain('open');
  await client.close();
  const { attempts = 0, failure } = completed ?? {};
  return { given, thrown, outcome, attempts, failure, events, seen };
}

async function refused(): Promise<Pick<Scenario, 'url' | 'arrived' | 'closed'>> {
  return { url: await refusedUrl(), arrived: async () => [], closed: async () => [] };
}

/** The snapshot's part about the one dependency. */
export function stateOf(client: Client): DependencySnapshot | undefined {
  return client.snapshot().dependencies['dependency'];
}

/** One failure on the books: of the two that open the circuit, so that the next call decides where it stands. */
async function failOnce(client: Client): Promise<void> {
  const response = await client.fetch(scenario('501').url);
  await response.body?.cancel();
}

/** A failure has opened the circuit; if it takes one more, the call was ignored; if that is not enough, it was a success. */
async function outcomeOfLastCall(client: Client): Promise<Encounter['outcome']> {
  const isOpen = (): boolean => stateOf(client)?.breaker?.state === 'open';
  if (isOpen()) return 'failure';
  await failOnce(client);
  return isOpen() ? 'ignored' : 'success';
}

async function receive(
  client: Client,
  use: Use,
  url: string,
  init: FetchInit | undefined,
): Promise<{ given: Given; thrown?: unknown }> {
  try {
    if (use === 'json') return { given: { value: (await client.json(url, init)).value } };
    const response = await client.fetch(url, init);
    return { given: { status: response.status, body: await response.text().catch(() => broken) } };
  } catch (thrown) {
    return { given: { error: nameError(thrown) }, thrown };
  }
}

function nameError(error: unknown): string {
  if (error instanceof SteadfetchError) return error.code;
  if (typeof error === 'string') return error; // a caller's abort reason, untouched
  expect(error).toBeInstanceOf(Error);
  return networkError;
}

async function onEachArrival(
  arrived: Scenario['arrived'],
  call: Promise<unknown>,
  react: () => unknown,
): Promise<void> {
  const over = new AbortController();
  void call.then(() => over.abort());
  for (let count = 1; ; count += 1) {
    await arrived(count, over.signal).catch(() => {});
    if (over.signal.aborted) return;
    await react();
  }
}
