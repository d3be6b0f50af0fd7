import { parseArgs } from 'node:util';

import type { EndpointPlan } from './endpoint-record.ts';
import { lengthMs, OUTAGE } from './script.ts';

/** What the user asked for. */
export type Wish =
  | { readonly kind: 'drill'; readonly totalMs: number }
  | { readonly kind: 'endpoint'; readonly plan: EndpointPlan }
  | { readonly kind: 'help' };

/** The command line makes no sense; the message names the option and its value. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Enough for an endpoint to show its manners, too little to do it harm. */
const MAX_RATE = 20;
const DEFAULT_RATE = 5;
const MIN_RATE = 0.1;
const DEFAULT_SECONDS = 20;
const MAX_SECONDS = 600;
/** Shorter phases than this script would have are over before a call can end. */
const MIN_DRILL_SECONDS = 4;

export const HELP = `npm start                      the outage drill: bare fetch, naive retry and steadfetch,
                               each with an upstream that fails, for ${lengthMs(OUTAGE) / 1_000} s
npm start -- --url URL         calls your own endpoint (GET) with the same client, and reports

  --url URL        http or https
  --rate N         calls per second, ${MIN_RATE} to ${MAX_RATE}; only with --url    (default ${DEFAULT_RATE})
  --seconds N      how long to call, 1 to ${MAX_SECONDS}                    (default ${DEFAULT_SECONDS});
                   without --url: squeezes the drill, ${MIN_DRILL_SECONDS} to ${lengthMs(OUTAGE) / 1_000}
  --help           this text

Ctrl-C ends it early. NO_COLOR is respected; without a terminal the output is plain text.`;

const OPTIONS = {
  url: { type: 'string' },
  rate: { type: 'string' },
  seconds: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** @throws UsageError */
export function parseWish(args: readonly string[]): Wish {
  const { url, rate, seconds, help } = parse(args);
  if (help === true) return { kind: 'help' };
  if (url === undefined) {
    if (rate !== undefined)
      throw new UsageError(`--rate ${rate} needs --url: the drill's own load is part of its script`);
    const full = lengthMs(OUTAGE) / 1_000;
    return { kind: 'drill', totalMs: 1_000 * number('--seconds', seconds, full, MIN_DRILL_SECONDS, full) };
  }
  const plan = {
    url: address(url),
    ratePerSecond: number('--rate', rate, DEFAULT_RATE, MIN_RATE, MAX_RATE),
    lastsMs: 1_000 * number('--seconds', seconds, DEFAULT_SECONDS, 1, MAX_SECONDS),
  };
  return { kind: 'endpoint', plan };
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'] {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function address(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(`--url must be an http or https address, got ${JSON.stringify(text)}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new UsageError(`--url must not carry a user name or password, which fetch refuses, got one for ${url.host}`);
  }
  return url;
}

function number(option: string, text: string | undefined, fallback: number, least: number, most: number): number {
  if (text === undefined) return fallback;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= least && value <= most) return value;
  throw new UsageError(`${option} must be a number from ${least} to ${most}, got ${JSON.stringify(text)}`);
}
