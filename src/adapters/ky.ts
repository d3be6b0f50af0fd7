/**
 * A ky instance that calls through a client.
 * @module steadfetch/ky
 */

import type { Input, KyInstance, Options, ResponsePromise, RetryOptions } from 'ky';
import { checkMethods } from '../checks.ts';
import type { CallOptions, FetchInit } from '../client-options.ts';

/** What a call through ky may ask of its client. `retry` is not among it: ky takes that name for its own. */
export type KyCallOptions = Omit<CallOptions, 'retry'>;

/** What of a client is needed. */
export interface KyBackend {
  /** Makes a call, as `fetch` does. */
  readonly fetch: (input: string | URL | Request, init?: FetchInit) => Promise<Response>;
}

/** A shortcut of ky's, with {@link KyCallOptions}. */
export type KyShortcut = <T>(url: Input, options?: Options & KyCallOptions) => ResponsePromise<T>;

/** A ky instance whose calls are defended by a client, and may have its {@link KyCallOptions}. */
export type SteadKy = KyInstance &
  KyShortcut & { readonly [Name in 'get' | 'post' | 'put' | 'patch' | 'delete' | 'head']: KyShortcut };

/**
 * A ky instance that calls through `client`. Hooks, prefixes, headers and shortcuts of ky stay as they are; its own
 * retries and timeouts are off, also where a call asks for them: three attempts of ky around three of the client would be
 * nine. A hook may have a request sent again (`ky.retry()`), as often as ky's `retry` says. What the client throws comes through
 * as it is; a network error becomes ky's `NetworkError`, as ever.
 *
 * @param ky The instance to extend; it is not changed.
 * @throws TypeError if `ky` or `client` is none.
 */
export function extendKy(ky: KyInstance, client: KyBackend): SteadKy {
  checkMethods('ky', 'an instance of ky', ky, ['extend']);
  checkMethods('client', 'a steadfetch client', client, ['fetch']);
  return ky.extend({
    fetch: async (input, init) => client.fetch(input, await repeatable(input, init)),
    hooks: {
      init: [
        (options) => {
          options.retry = forcedOnly(options);
          options.timeout = false;
          options.totalTimeout = false;
        },
      ],
    },
  }) as SteadKy;
}

/** ky's retries for who asks for one: without methods, it makes none of its own. */
function forcedOnly({ retry, hooks }: Options): RetryOptions {
  const given = typeof retry === 'number' ? { limit: retry } : retry;
  // Where it retries, ky keeps a copy of the request, for hooks that send it again or look into it. Nobody else would want a
  // long body in memory.
  const wantsCopy = [hooks?.afterResponse, hooks?.beforeError].some((those) => those !== undefined && those.length > 0);
  return { ...given, ...(wantsCopy ? {} : { limit: 0 }), methods: [] };
}

/**
 * Gives a text body as bytes, which can be sent again: ky makes a Request of everything, and the body of a Request is a
 * stream, which goes out once. Others, which may be long, stay streams.
 */
async function repeatable(input: Input, init: RequestInit | undefined): Promise<FetchInit | undefined> {
  if (typeof input === 'string' || input instanceof URL || input.body === null) return init;
  if (!IS_TEXT.test(input.headers.get('content-type') ?? '')) return init;
  return { ...init, body: await input.arrayBuffer() };
}

const IS_TEXT = /^(?:application\/(?:[\w.+-]+\+)?json|application\/x-www-form-urlencoded|text\/)/i;
