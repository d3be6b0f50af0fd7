import { inject } from 'vitest';

/** What the fault server saw of one request. */
export interface SeenRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** `text` is the first 4,096 bytes. */
  readonly body: { readonly bytes: number; readonly sha256: string; readonly text: string };
  /** The step of the script that answered. */
  readonly fault: string;
  /** `ended`: the fault was played to its end. */
  readonly connection: 'open' | 'ended' | 'left by the client';
  /** Bytes of the answer, known once the connection is closed. */
  readonly sentBytes: number;
}

export interface Scenario {
  readonly url: string;
  /** What the server has seen so far, in order of arrival. */
  seen(): Promise<readonly SeenRequest[]>;
  /** The same, once `count` requests have arrived; if they do not, what there is after a while. */
  arrived(count: number, signal?: AbortSignal): Promise<readonly SeenRequest[]>;
  /** The same, once no connection is open any more; if that does not come, what there is after a while. */
  closed(): Promise<readonly SeenRequest[]>;
  /** How many CORS preflights the requests have cost. */
  preflights(): Promise<number>;
}

/** A fresh scenario on the shared fault server: each request gets the next step of `script`, the last step repeats. */
export function scenario(script: string): Scenario {
  return scenarioOn(inject('faultServer'), script);
}

export function scenarioOn(server: string, script: string): Scenario {
  const id = crypto.randomUUID();
  const stats = `${server}/stats/${id}`;
  return {
    url: `${server}/${id}/${script}`,
    seen: () => readJson(stats),
    arrived: (count, signal) => readJson(`${stats}?requests=${count}`, signal),
    preflights: () => readJson(`${server}/preflights/${id}`),
    closed: () => readJson(`${stats}?closed`),
  };
}

/** A URL whose port refuses connections. */
export function refusedUrl(): Promise<string> {
  return readJson(`${inject('faultServer')}/refused`);
}

async function readJson<T>(url: string, signal: AbortSignal | null = null): Promise<T> {
  const response = await fetch(url, { signal });
  return (await response.json()) as T;
}
