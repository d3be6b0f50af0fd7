/** What a fleet knows of one dependency, as plain data: every engine keeps it by the same rules. Times are the engine's. */
export interface FleetRecord {
  /** When it was begun: a record with a later one has replaced a lost one. */
  readonly run: number;
  /** Grows with each change and each lease. The one of a lease is its fencing token. */
  readonly epoch: number;
  readonly state: 'closed' | 'open';
  /** While open: when a probe may go. */
  readonly retryAt: number;
  /** Probes that failed in a row, whoever sent them. */
  readonly trips: number;
  /** Instances that have found the dependency down, each until when that counts. */
  readonly votes: Readonly<Record<string, number>>;
  readonly lease: FleetLease | undefined;
}

/** Who may send a probe, until when. */
export interface FleetLease {
  readonly holder: string;
  readonly token: number;
  readonly until: number;
}

/** What an instance is told: nothing in it is a time of the engine's clock, which is not its own. */
export interface FleetState {
  readonly run: number;
  readonly epoch: number;
  readonly state: 'closed' | 'open';
  /** While open: milliseconds until a probe may go. */
  readonly retryAfterMs: number;
  /** Probes that failed in a row: the next wait is longer for all. */
  readonly trips: number;
}

/** What an instance says. */
export type FleetReport =
  /** It has found the dependency down by itself. */
  | { readonly kind: 'down'; readonly retryAfterMs: number }
  /** The probe that it had a lease for has failed; or all that it takes have succeeded. */
  | { readonly kind: 'failed'; readonly retryAfterMs: number; readonly token: number }
  | { readonly kind: 'recovered'; readonly token: number };

/** Whether an instance may send a probe. */
export interface LeaseAnswer {
  readonly state: FleetState;
  /** The fencing token, if it may. */
  readonly token: number | undefined;
  /** Milliseconds after which it is worth asking again, if it may not. */
  readonly waitMs: number;
}

/** The epoch of a record in which nothing has happened yet. */
export const FIRST_EPOCH = 1;

export function emptyRecord(now: number): FleetRecord {
  return { run: now, epoch: FIRST_EPOCH, state: 'closed', retryAt: 0, trips: 0, votes: {}, lease: undefined };
}

export function stateOf({ run, epoch, state, retryAt, trips }: FleetRecord, now: number): FleetState {
  return { run, epoch, state, retryAfterMs: state === 'open' ? Math.max(0, retryAt - now) : 0, trips };
}

/**
 * The record after a report. With a quorum of `k`, `k` instances have to find the dependency down before the fleet does. A
 * report by a lease that is not the last one comes too late, and changes nothing.
 */
export function reported(
  record: FleetRecord,
  by: string,
  report: FleetReport,
  quorum: number,
  now: number,
): FleetRecord {
  if (report.kind === 'down') return votedDown(record, by, report.retryAfterMs, quorum, now);
  if (record.lease?.token !== report.token) return record;
  const { run, epoch, trips } = record;
  return report.kind === 'recovered'
    ? { run, epoch: epoch + 1, state: 'closed', retryAt: 0, trips: 0, votes: {}, lease: undefined }
    : {
        run,
        epoch: epoch + 1,
        state: 'open',
        retryAt: now + report.retryAfterMs,
        trips: trips + 1,
        votes: {},
        lease: undefined,
      };
}

function votedDown(record: FleetRecord, by: string, retryAfterMs: number, quorum: number, now: number): FleetRecord {
  if (record.state === 'open') return record;
  const votes: Record<string, number> = { [by]: now + retryAfterMs };
  for (const [voter, until] of Object.entries(record.votes)) if (until > now && voter !== by) votes[voter] = until;
  if (Object.keys(votes).length < quorum) return { ...record, votes };
  const { run, epoch } = record;
  return { run, epoch: epoch + 1, state: 'open', retryAt: now + retryAfterMs, trips: 0, votes: {}, lease: undefined };
}

/** Gives the lease to whoever asks first once a probe is due, until it has expired; whoever holds it may prolong it. */
export function leased(
  record: FleetRecord,
  by: string,
  leaseMs: number,
  now: number,
): { readonly record: FleetRecord; readonly answer: LeaseAnswer } {
  const refuse = (waitMs: number) => ({ record, answer: { state: stateOf(record, now), token: undefined, waitMs } });
  if (record.state === 'closed') return refuse(0);
  if (now < record.retryAt) return refuse(record.retryAt - now);
  const { lease } = record;
  const isHeld = lease !== undefined && lease.until > now;
  if (isHeld && lease.holder !== by) return refuse(lease.until - now);
  const token = isHeld ? lease.token : record.epoch + 1;
  const next: FleetRecord = { ...record, epoch: token, lease: { holder: by, token, until: now + leaseMs } };
  return { record: next, answer: { state: stateOf(next, now), token, waitMs: 0 } };
}
