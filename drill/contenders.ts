import { setTimeout as pause } from 'node:timers/promises';

import { createClient } from 'steadfetch';
import { ATTEMPT_TIMEOUT_MS, CLIENT_OPTIONS, MAX_ATTEMPTS, NAIVE_PAUSE_MS } from './limits.ts';
import type { CircuitMark } from './record.ts';

/** One way to call the upstream: resolves when the caller has its data, and rejects when it will not get any. */
export interface Contender {
  readonly name: string;
  call(url: string): Promise<unknown>;
  close?(): Promise<void>;
}

/** What people write who know that a request needs a timeout and that a status can be bad. */
export const bareFetch: Contender = {
  name: 'bare fetch',
  async call(url) {
    const response = await fetch(url, { signal: AbortSignal.timeout(ATTEMPT_TIMEOUT_MS) });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`HTTP ${response.status}`);
    }
    return response.json();
  },
};

/** The same, in the loop that people put around it. */
export const naiveRetry: Contender = {
  name: 'naive retry',
  async call(url) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await bareFetch.call(url);
      } catch (error) {
        if (attempt >= MAX_ATTEMPTS) throw error;
        await pause(NAIVE_PAUSE_MS);
      }
    }
  },
};

/** The library, as published. `onTransition` is told of each change of the circuit. */
export function steadfetch(onTransition: (state: CircuitMark['state']) => void): Contender {
  const client = createClient(CLIENT_OPTIONS);
  client.subscribe((event) => {
    if (event.type === 'transition') onTransition(event.to);
  });
  return {
    name: 'steadfetch',
    call: (url) => client.json(url),
    close: () => client.close({ drainMs: 0 }),
  };
}
