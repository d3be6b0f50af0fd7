import { checkFunction, checkKeys, checkNumber, DELAY_MS, requireFunction, requireNumber, show } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { resolveTools } from '../options.ts';
import { elapse } from './elapse.ts';

/** Which share of requests goes wrong, and how. The shares are tried in this order, each of what the ones before left. */
export interface ChaosOptions {
  /** Share that never answers. Default 0. */
  readonly hangRate?: number;
  /** Share that fails without an answer, as a refused or reset connection does. Default 0. */
  readonly errorRate?: number;
  /** Share answered with `status` instead of being sent. Default 0. */
  readonly statusRate?: number;
  /** Default 503. */
  readonly status?: number;
  /** Share whose body breaks off in the middle. Default 0. */
  readonly cutRate?: number;
  /** Added before each request, in ms: at least, and at most. Default none. */
  readonly latencyMs?: readonly [number, number];
  /** A number in [0, 1), as `Math.random`, which is the default. Give a seeded one to repeat a run. */
  readonly random?: () => number;
  /** The clock that latency is measured by; by default the platform's. */
  readonly clock?: Clock;
}

/** A fetch, the platform's or one that stands for it. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/**
 * Wraps a fetch so that it fails as networks do, by chance.
 * @throws TypeError or RangeError naming the option and the value.
 */
export function chaosFetch(inner: Fetch, options: ChaosOptions = {}): Fetch {
  requireFunction('inner', inner);
  checkKeys('chaos', options, [
    'hangRate',
    'errorRate',
    'statusRate',
    'status',
    'cutRate',
    'latencyMs',
    'random',
    'clock',
  ]);
  const share = { least: 0, most: 1 };
  const hangRate = checkNumber('chaos.hangRate', options.hangRate, 0, share);
  const errorRate = checkNumber('chaos.errorRate', options.errorRate, 0, share);
  const statusRate = checkNumber('chaos.statusRate', options.statusRate, 0, share);
  const cutRate = checkNumber('chaos.cutRate', options.cutRate, 0, share);
  const status = checkNumber('chaos.status', options.status, 503, { least: 200, most: 599, integer: true });
  const { latencyMs = [0, 0] } = options;
  if (!Array.isArray(latencyMs) || latencyMs.length !== 2) {
    throw new TypeError(`chaos.latencyMs must be a pair of numbers, got ${show(latencyMs)}`);
  }
  const leastMs = requireNumber('chaos.latencyMs[0]', latencyMs[0], DELAY_MS);
  const mostMs = requireNumber('chaos.latencyMs[1]', latencyMs[1], { least: leastMs });
  const random = checkFunction('chaos.random', options.random, Math.random);
  const { clock } = resolveTools({ clock: options.clock });
  return async (input, init) => {
    const { signal = typeof input === 'object' && 'url' in input ? input.signal : undefined } = init ?? {};
    signal?.throwIfAborted();
    const latencyMs = leastMs + random() * (mostMs - leastMs);
    if (latencyMs > 0) await elapse(latencyMs, signal, clock);
    if (random() < hangRate) await elapse(Infinity, signal, clock);
    if (random() < errorRate) throw new TypeError('Failed to fetch');
    if (random() < statusRate) return new Response(null, { status });
    const response = await inner(input, init);
    return random() < cutRate ? cut(response) : response;
  };
}

/** The response with half of its first chunk, and then an error. */
function cut(response: Response): Response {
  if (response.body === null) return response;
  const reader = response.body.getReader();
  let given = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value } = given ? {} : await reader.read();
      given = true;
      if (value !== undefined && value.length > 1) return controller.enqueue(value.subarray(0, value.length >> 1));
      reader.cancel().catch(() => {});
      controller.error(new TypeError('terminated'));
    },
    cancel: (reason) => reader.cancel(reason),
  });
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}
