import { type ClientOptions, type FallbackOptions, memoryStore, type Store } from '../../src/index.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { type Bench, clientBench } from './bench.ts';

/** A good answer whose body is `text`, with the headers that the server gives it. */
export function good(text: string, headers: Readonly<Record<string, string>> = {}): ScriptStep {
  return { body: text, headers };
}

/** An outage at the level of sockets. */
export const down: ScriptStep = () => new TypeError('Failed to fetch');

/** A client with a store in memory, one attempt per call, and a script for its upstream. */
export function fallbackBench(
  script: readonly ScriptStep[],
  fallback: FallbackOptions = {},
  options: ClientOptions = {},
): Bench & { readonly store: Store } {
  const store = fallback.store ?? memoryStore();
  return { store, ...clientBench(script, { retry: false, fallback: { ...fallback, store }, ...options }) };
}

/** The text of an answer, and whether it says that it is degraded. */
export async function shown(answer: Promise<Response> | Response): Promise<string> {
  const response = await answer;
  return `${response.status} ${await response.text()}`;
}

/** Lets everything that goes on behind answers come to its end, without time passing. */
export async function idle({ clock }: Bench): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await clock.advance(0);
}

/** Waits until the answer to a GET is stored: that takes no time of the clock's, but turns, the more the busier the engine is. */
export async function stored({ clock, store }: Bench & { readonly store: Store }, at: string): Promise<void> {
  for (let turn = 0; turn < 1_000 && (await store.get(`public GET ${at}`)) === undefined; turn += 1)
    await clock.advance(0);
}
