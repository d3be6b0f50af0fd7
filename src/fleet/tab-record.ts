import type { FleetRecord } from '../model/fleet.ts';
import { isCount, isInstant, parseRecord } from './record.ts';

/** What a tab knows of a dependency. */
export interface TabRecord {
  readonly dependency: string;
  /** Grows with each change within a run, also with those that leave the epoch as it is. */
  readonly version: number;
  /** When it was written: with it, that the clock has been put back can be seen. */
  readonly at: number;
  readonly record: FleetRecord;
}

/** The most instances that vote. */
export const MOST_VOTES = 16;
/** The longest name of a dependency. Safari has no locks with names of more than 1,024 characters: the votes have to fit, too. */
export const LONGEST_DEPENDENCY = 400;

const MOST_LENGTH = 1_024;
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
  const record = parseRecord(given, at, MOST_VOTES);
  if (record === undefined) return undefined;
  const parsed = { dependency, version, at, record };
  return isOfThePast(parsed, now) ? parsed : undefined;
}
