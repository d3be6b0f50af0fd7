import type { FleetState, LeaseAnswer } from '../model/fleet.ts';

/** What an engine says, if it makes sense; `undefined` if it is garbage. */
export function parseState(message: unknown): FleetState | undefined {
  const { run, epoch, state, retryAfterMs, trips } = Object(message) as Partial<Record<keyof FleetState, unknown>>;
  if (!isAmount(run) || !isAmount(epoch) || !isAmount(retryAfterMs) || !isAmount(trips)) return undefined;
  if (state !== 'open' && state !== 'closed') return undefined;
  return { run, epoch, state, retryAfterMs, trips };
}

export function parseLease(message: unknown): LeaseAnswer | undefined {
  const { state, token, waitMs } = Object(message) as Partial<Record<keyof LeaseAnswer, unknown>>;
  const parsed = parseState(state);
  if (parsed === undefined || !isAmount(waitMs)) return undefined;
  if (token !== undefined && token !== null && !isAmount(token)) return undefined;
  return { state: parsed, token: token ?? undefined, waitMs };
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}
