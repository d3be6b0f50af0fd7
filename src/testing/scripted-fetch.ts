import { checkKeys, requireNumber, show } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { resolveTools } from '../options.ts';
import { elapse } from './elapse.ts';

/** An answer, in as much detail as a test needs. */
export interface ScriptedAnswer {
  /** Default 200. */
  readonly status?: number;
  /** Default none. */
  readonly headers?: NonNullable<RequestInit['headers']>;
  /** Default: none for a status that has no body, else empty. */
  readonly body?: NonNullable<RequestInit['body']> | null;
  /** Milliseconds until the headers arrive. Default 0. */
  readonly delayMs?: number;
  /** What becomes of the body after what `body` gives: it ends, breaks off, or never ends. Default `"end"`. */
  readonly after?: 'end' | 'break' | 'hang';
}

/** What a {@link scriptedFetch} was asked. */
export interface ScriptedRequest {
  /** The URL. */
  readonly url: string;
  /** The method. */
  readonly method: string;
  /** The headers. */
  readonly headers: Headers;
  /** As it was given; `null` for none. */
  readonly body: NonNullable<RequestInit['body']> | null;
  /** The signal it was given, if any. */
  readonly signal: AbortSignal | undefined;
  /** Number of the request, from 1. */
  readonly number: number;
}

/**
 * One step of a script: a status; an answer; a Response; an Error to reject with; `"hang"`, which never answers; or a
 * function of the request that gives one of these.
 */
export type ScriptStep =
  | number
  | ScriptedAnswer
  | Response
  | Error
  | 'hang'
  | ((request: ScriptedRequest) => ScriptStep | Promise<ScriptStep>);

/** A fetch that follows a script, and remembers what it was asked. */
export interface ScriptedFetch {
  (input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** How often it was called. */
  readonly calls: number;
  /** What it was asked, in order. */
  readonly requests: readonly ScriptedRequest[];
}

/**
 * A fetch for tests: answers the first request with the first step, and so on; the last step repeats. It honours the
 * signal as a real one does, and rejects with its reason.
 *
 * @throws TypeError if the script is empty, or a step is none, or has something in it that is no part of an answer. What a
 * function gives is looked at in its turn.
 */
export function scriptedFetch(script: readonly ScriptStep[], options: { readonly clock?: Clock } = {}): ScriptedFetch {
  if (!Array.isArray(script)) throw new TypeError(`script must be an array of steps, got ${show(script)}`);
  if (script.length === 0) throw new TypeError('script must have at least one step, got none');
  // By their numbers: the holes of an array are no steps.
  for (let index = 0; index < script.length; index += 1) checkStep(`script[${index}]`, script[index]);
  checkKeys('scriptedFetch', options, ['clock']);
  const { clock } = resolveTools({ clock: options.clock });
  const requests: ScriptedRequest[] = [];
  async function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = describe(input, init, requests.length + 1);
    requests.push(request);
    request.signal?.throwIfAborted();
    const index = Math.min(request.number, script.length) - 1;
    let step: ScriptStep = script[index] ?? 'hang';
    while (typeof step === 'function') {
      step = await Promise.race([step(request), aborted(request.signal, clock)]);
      checkStep(`script[${index}]()`, step);
    }
    return answer(step, `script[${index}]`, request.signal, clock);
  }
  return Object.defineProperties(fetch, {
    calls: { get: () => requests.length },
    requests: { value: requests },
  }) as ScriptedFetch;
}

const ANSWER_KEYS = ['status', 'headers', 'body', 'delayMs', 'after'];

function checkStep(path: string, step: unknown): void {
  if (typeof step === 'number' || typeof step === 'function' || step === 'hang') return;
  if (step instanceof Error || step instanceof Response) return;
  // A misspelt `status` would be a 200: a test of an outage would pass without one.
  if (Object(step) === step && !Array.isArray(step) && !('then' in Object(step))) {
    checkKeys(path, step, ANSWER_KEYS);
    return;
  }
  const kinds = 'a status, an answer, a Response, an Error, "hang" or a function';
  throw new TypeError(`${path} must be ${kinds}, got ${show(step)}`);
}

function describe(input: string | URL | Request, init: RequestInit | undefined, number: number): ScriptedRequest {
  const request = typeof input === 'object' && 'url' in input ? input : undefined;
  // One of `null` is a word, too: that of the Request does not count then.
  const { signal = request?.signal } = init ?? {};
  return {
    url: request?.url ?? String(input),
    method: (init?.method ?? request?.method ?? 'GET').toUpperCase(),
    headers: new Headers(init?.headers ?? request?.headers),
    body: init?.body ?? request?.body ?? null,
    signal: signal ?? undefined,
    number,
  };
}

async function answer(
  step: Exclude<ScriptStep, (request: ScriptedRequest) => unknown>,
  path: string,
  signal: AbortSignal | undefined,
  clock: Clock,
): Promise<Response> {
  if (step instanceof Error) throw step;
  if (step instanceof Response) return step.clone();
  const { status = 200, headers, body, delayMs = 0, after = 'end' } = inDetail(step);
  requireNumber(`${path}.status`, status, STATUS);
  if (delayMs > 0) await elapse(delayMs, signal, clock);
  const given = body === undefined && ![101, 204, 205, 304].includes(status) ? '' : (body ?? null);
  const content = after === 'end' ? given : unfinished(given, after, signal);
  return new Response(content, headers === undefined ? { status } : { status, headers });
}

// What a Response can have.
const STATUS = { least: 200, most: 599, integer: true };

function inDetail(step: number | 'hang' | ScriptedAnswer): ScriptedAnswer {
  if (step === 'hang') return { delayMs: Infinity };
  return typeof step === 'number' ? { status: step } : step;
}

/** Rejects when the signal aborts, with its reason. */
function aborted(signal: AbortSignal | undefined, clock: Clock): Promise<never> {
  return elapse(Infinity, signal, clock) as Promise<never>;
}

/** A body that gives `start` and then breaks off, or goes silent; the signal ends it, whether or not anybody reads. */
function unfinished(
  start: NonNullable<RequestInit['body']> | null,
  after: 'break' | 'hang',
  signal: AbortSignal | undefined,
): ReadableStream {
  const source = new Response(start).body?.getReader();
  return new ReadableStream({
    start(controller) {
      signal?.addEventListener('abort', () => controller.error(signal.reason), { once: true });
    },
    async pull(controller) {
      const chunk = await source?.read();
      if (chunk?.value !== undefined) controller.enqueue(chunk.value);
      else if (after === 'break') controller.error(new TypeError('terminated'));
      else await new Promise<never>(() => {});
    },
  });
}
