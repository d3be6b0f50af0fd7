import { type Client, type ClientOptions, createClient, type SteadEvent } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { type ScriptedFetch, type ScriptStep, scriptedFetch } from '../../src/testing/scripted-fetch.ts';

export const origin = 'https://users.test';
export const url = `${origin}/u/1`;

/** A client between a script and those who watch it; with a `random` of 0, waits are as long as their formula says. */
export interface Bench {
  readonly clock: FakeClock;
  readonly upstream: ScriptedFetch;
  readonly client: Client;
  readonly events: readonly SteadEvent[];
}

export function clientBench(script: readonly ScriptStep[], options: ClientOptions = {}): Bench {
  const clock = new FakeClock();
  const upstream = scriptedFetch(script, { clock });
  const client = createClient({ clock, random: () => 0, fetch: upstream, ...options });
  const events: SteadEvent[] = [];
  client.subscribe((event) => events.push(event));
  return { clock, upstream, client, events };
}

/** Makes a call whose answer is stored when it resolves: that takes no time, but turns, more of them in a busy engine. */
export async function fetchAndStore(client: Client, at: string): Promise<Response> {
  const storing: Promise<unknown>[] = [];
  const response = await client.fetch(at, { waitUntil: (work) => storing.push(work) });
  await Promise.all(storing);
  return response;
}

/** Where the platform's own fetch sends a relative URL: to the page's origin, or nowhere if there is no page. */
export function pageOrigin(): string | undefined {
  try {
    return new URL(new Request('/users').url).origin;
  } catch {
    return undefined;
  }
}

/** A call as it stands: what its caller has been given so far. */
export interface Watched<T> {
  readonly state: 'pending' | 'resolved' | 'rejected';
  readonly value?: T;
  readonly error?: unknown;
}

export function watch<T>(call: Promise<T>): Watched<T> {
  const watched: { state: Watched<T>['state']; value?: T; error?: unknown } = { state: 'pending' };
  call.then(
    (value) => Object.assign(watched, { state: 'resolved', value }),
    (error: unknown) => Object.assign(watched, { state: 'rejected', error }),
  );
  return watched;
}

export async function errorOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error('The call did not reject');
}

type Facts<E> = Omit<E, 'type' | 'call' | 'dependency' | 'at'>;

/** Events of one type, without the fields that only say which call, where and when. */
export function facts<T extends SteadEvent['type']>(
  events: readonly SteadEvent[],
  type: T,
): readonly Facts<Extract<SteadEvent, { type: T }>>[] {
  return events
    .filter((event) => event.type === type)
    .map((event) => {
      const { type: _type, dependency: _dependency, at: _at, ...rest } = event;
      const { call: _call, ...own } = { call: 0, ...rest };
      return own as unknown as Facts<Extract<SteadEvent, { type: T }>>;
    });
}

/** A Response whose body tells whether it was cancelled. */
export function cancellable(init: ResponseInit = {}): { response: Response; cancelled: () => boolean } {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('text')),
    cancel() {
      cancelled = true;
    },
  });
  return { response: new Response(body, init), cancelled: () => cancelled };
}

/** An answer whose body gives its start, and then breaks off or goes silent. */
export function unfinished(body: string, end: 'break' | 'hang'): ScriptStep {
  return { body, after: end };
}
