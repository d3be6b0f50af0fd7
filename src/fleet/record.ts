import type { FleetLease, FleetRecord } from '../model/fleet.ts';

/** The longest span in a record: a day. */
export const LONGEST_MS = 86_400_000;

// Nobody gets there by changes: it would be one a second, for thirty years.
const MOST_CHANGES = 1_000_000_000;

/** A record that somebody else has kept, if it makes sense: none of its times is more than a day ahead of `now`. */
export function parseRecord(given: unknown, now: number, mostVotes: number): FleetRecord | undefined {
  const { run, epoch, state, retryAt, trips, votes, lease, leases, leasesBefore } = fieldsOf(given);
  if (!isInstant(run, now) || !isCount(epoch) || !isInstant(retryAt, now)) return undefined;
  // Until it first changes, it has votes, and nothing else.
  if ((run === 0) !== (epoch === 1)) return undefined;
  if (state !== 'open' && state !== 'closed') return undefined;
  if (!isCountOrNone(trips) || !isCountOrNone(leases) || !isCountOrNone(leasesBefore)) return undefined;
  const parsedVotes = parseVotes(votes, now, mostVotes);
  const parsedLease = parseLease(lease, now);
  if (parsedVotes === undefined || parsedLease === null) return undefined;
  return { run, epoch, state, retryAt, trips, votes: parsedVotes, lease: parsedLease, leases, leasesBefore };
}

function parseVotes(given: unknown, now: number, mostVotes: number): Record<string, number> | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const votes = Object.entries(given as Record<string, unknown>);
  if (votes.length > mostVotes || !votes.every(([, until]) => isInstant(until, now))) return undefined;
  return Object.fromEntries(votes) as Record<string, number>;
}

/** `null` if it makes no sense: there may be none. */
function parseLease(given: unknown, now: number): FleetLease | undefined | null {
  if (given === undefined) return undefined;
  const { holder, token, until } = fieldsOf(given);
  return typeof holder === 'string' && isCount(token) && isInstant(until, now) ? { holder, token, until } : null;
}

function fieldsOf(given: unknown): Partial<Record<string, unknown>> & {
  readonly [Name in keyof FleetRecord | keyof FleetLease]?: unknown;
} {
  return Object(given);
}

function isCountOrNone(value: unknown): value is number {
  return value === 0 || isCount(value);
}

export function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) <= MOST_CHANGES;
}

/** A time that is at most a day ahead of another. */
export function isInstant(value: unknown, now: number): value is number {
  return typeof value === 'number' && value >= 0 && value <= now + LONGEST_MS;
}
