import type { FleetLease, FleetRecord } from '../model/fleet.ts';

/** What a tab knows of a dependency. */
export interface TabRecord {
  readonly dependency: string;
  /** Grows with each change within a run, also with those that leave the epoch as it is. */
  readonly version: number;
  /** When it was written: with it, that the clock has been put back can be seen. */
  readonly at: number;
  readonly record: FleetRecord;
}

/** The longest span in a record: a day. */
export const LONGEST_MS = 86_400_000;
/** The most instances that vote. */
export const MOST_VOTES = 16;
/** The longest name of a dependency. Safari has no locks with names of more than 1,024 characters: the votes have to fit, too. */
export const LONGEST_DEPENDENCY = 400;

const MOST_LENGTH = 1_024;
// Nobody gets there by changes: it would be one a second, for thirty years.
const MOST_CHANGES = 1_000_000_000;
// The tabs have one clock; by so much it is corrected while it runs.
const SLACK_MS = 5_000;

export function isNewer(one: TabRecord, other: TabRecord): boolean {
  const { run } = one.record;
  return run > other.record.run || (run === other.record.run && one.version > other.version);
}

/** A record from the future has lost its meaning: the clock has been put back since. */
export function isOfThePast({ at, record }: TabRecord, now: number): boolean {
  return at <= now + SLACK_MS && record.run <= now + SLACK_MS;
}

/** As text, which begins with {@link startOf} its dependency. */
export function textOf({ dependency, version, at, record }: TabRecord): string {
  return `${startOf(dependency)}${JSON.stringify([version, at, record]).slice(1)}`;
}

export function startOf(dependency: string): string {
  return `[${JSON.stringify(dependency)},`;
}

/** What {@link textOf} has made; `undefined` for all else, and for what is from the future. */
export function parseTabRecord(text: unknown, now: number): TabRecord | undefined {
  if (typeof text !== 'string' || text.length > MOST_LENGTH) return undefined;
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts)) return undefined;
  const [dependency, version, at, given] = parts as unknown[];
  if (typeof dependency !== 'string' || !isCount(version) || !isInstant(at, now)) return undefined;
  const record = parseRecord(given, at);
  if (record === undefined) return undefined;
  const parsed = { dependency, version, at, record };
  return isOfThePast(parsed, now) ? parsed : undefined;
}

function parseRecord(given: unknown, at: number): FleetRecord | undefined {
  const { run, epoch, state, retryAt, trips, votes, lease, leases, leasesBefore } = fieldsOf(given);
  if (!isInstant(run, at) || run === 0 || !isCount(epoch) || !isInstant(retryAt, at)) return undefined;
  if (state !== 'open' && state !== 'closed') return undefined;
  if (!isCountOrNone(trips) || !isCountOrNone(leases) || !isCountOrNone(leasesBefore)) return undefined;
  const parsedVotes = parseVotes(votes, at);
  const parsedLease = parseLease(lease, at);
  if (parsedVotes === undefined || parsedLease === null) return undefined;
  return { run, epoch, state, retryAt, trips, votes: parsedVotes, lease: parsedLease, leases, leasesBefore };
}

function parseVotes(given: unknown, at: number): Record<string, number> | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const votes = Object.entries(given as Record<string, unknown>);
  if (votes.length > MOST_VOTES || !votes.every(([, until]) => isInstant(until, at))) return undefined;
  return Object.fromEntries(votes) as Record<string, number>;
}

/** `null` if it makes no sense: there may be none. */
function parseLease(given: unknown, at: number): FleetLease | undefined | null {
  if (given === undefined) return undefined;
  const { holder, token, until } = fieldsOf(given);
  return typeof holder === 'string' && isCount(token) && isInstant(until, at) ? { holder, token, until } : null;
}

function fieldsOf(given: unknown): Partial<Record<string, unknown>> & {
  readonly [Name in keyof FleetRecord | keyof FleetLease]?: unknown;
} {
  return Object(given);
}

function isCountOrNone(value: unknown): value is number {
  return value === 0 || isCount(value);
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) <= MOST_CHANGES;
}

/** A time that is at most a day ahead of another. */
function isInstant(value: unknown, now: number): value is number {
  return typeof value === 'number' && value >= 0 && value <= now + LONGEST_MS;
}
