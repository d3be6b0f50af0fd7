/** What a fleet knows of one dependency, as plain data: every engine keeps it by the same rules. Times are the engine's. */
export interface FleetRecord {
  /** When it first changed: a record with a later one has replaced a lost one. 0 while there is nothing but votes. */
  readonly run: number;
  /** Grows with each thing that is found out, and with nothing else. */
  readonly epoch: number;
  readonly state: 'closed' | 'open';
  /** While open: when a probe may go. */
  readonly retryAt: number;
  /** Rounds of probes that failed in a row, whoever sent them. */
  readonly trips: number;
  /** Instances that have found the dependency down since the last change, each until when that counts. */
  readonly votes: Readonly<Record<string, number>>;
  readonly lease: FleetLease | undefined;
  /** How many leases there have been: the last one's fencing token. */
  readonly leases: number;
  /** How many there had been at the last change: what a probe of before has to say is too old. */
  readonly leasesBefore: number;
}

/** Who may send a probe, until when. */
export interface FleetLease {
  readonly holder: string;
  readonly token: number;
  readonly until: number;
}

/** What an instance is told: nothing in it is a time of the engine's clock, which is not its own. */
export interface FleetState {
  /** As in the record of the engine: a later one has replaced a lost one. */
  readonly run: number;
  /** Grows with each thing that is found out. */
  readonly epoch: number;
  /** What the fleet takes the circuit for. */
  readonly state: 'closed' | 'open';
  /** While open: milliseconds until a probe may go. */
  readonly retryAfterMs: number;
  /** Rounds of probes that failed in a row: the next wait is longer for all. */
  readonly trips: number;
}

/** What an instance says. */
export type FleetReport =
  /** It has found the dependency down by itself. */
  | { readonly kind: 'down'; readonly retryAfterMs: number }
  /** The probe that it had a lease for has failed. */
  | { readonly kind: 'failed'; readonly retryAfterMs: number; readonly token: number }
  /** All the probes that it takes have succeeded: by that lease, or, with 0, without one. */
  | { readonly kind: 'recovered'; readonly token: number };

/** Whether an instance may send a probe. */
export interface LeaseAnswer {
  readonly state: FleetState;
  /** The fencing token, if it may. */
  readonly token: number | undefined;
  /** Milliseconds after which it is worth asking again, if it may not. */
  readonly waitMs: number;
}

/** Of the rules below and of what is kept and told by them: instances of different versions have different memories. */
export const FLEET_VERSION = 1;

/** What is known where nothing has happened. */
export const EMPTY_RECORD: FleetRecord = {
  run: 0,
  epoch: 1,
  state: 'closed',
  retryAt: 0,
  trips: 0,
  votes: {},
  lease: undefined,
  leases: 0,
  leasesBefore: 0,
};

export function stateOf({ run, epoch, state, retryAt, trips }: FleetRecord, now: number): FleetState {
  return { run, epoch, state, retryAfterMs: state === 'open' ? Math.max(0, retryAt - now) : 0, trips };
}

/**
 * The record after a report. With a quorum of `k`, `k` instances have to find the dependency down before the fleet does, and `k`
 * have to fail with a probe before it waits for longer.
 */
export function reported(
  record: FleetRecord,
  by: string,
  report: FleetReport,
  quorum: number,
  now: number,
): FleetRecord {
  if (report.kind === 'down') {
    // Known already; but one that is due, and that nobody is looking at, may be left over from a fleet that has fallen apart.
    if (record.state === 'open' && (now < record.retryAt || isHeld(record, now))) return record;
    return voted(record, by, report.retryAfterMs, 0, quorum, now);
  }
  if (report.kind === 'recovered') {
    // Whoever has seen it work since the last change has seen more than that it did not.
    const isLate =
      report.token === 0 ? now < record.retryAt || isHeld(record, now) : report.token <= record.leasesBefore;
    return record.state === 'closed' || isLate || report.token > record.leases
      ? record
      : changed(record, 'closed', 0, 0, now);
  }
  if (record.state === 'closed' || record.lease?.token !== report.token) return record;
  return voted(record, by, report.retryAfterMs, record.trips + 1, quorum, now);
}

function voted(
  record: FleetRecord,
  by: string,
  retryAfterMs: number,
  trips: number,
  quorum: number,
  now: number,
): FleetRecord {
  const votes: Record<string, number> = { [by]: now + retryAfterMs };
  for (const [voter, until] of Object.entries(record.votes)) if (until > now && voter !== by) votes[voter] = until;
  if (Object.keys(votes).length >= quorum) return changed(record, 'open', now + retryAfterMs, trips, now);
  return { ...record, votes, lease: undefined };
}

function changed(
  record: FleetRecord,
  state: 'closed' | 'open',
  retryAt: number,
  trips: number,
  now: number,
): FleetRecord {
  const { leases } = record;
  return {
    run: record.run === 0 ? now : record.run,
    epoch: record.epoch + 1,
    state,
    retryAt,
    trips,
    votes: {},
    lease: undefined,
    leases,
    leasesBefore: leases,
  };
}

function isHeld({ lease }: FleetRecord, now: number): boolean {
  return lease !== undefined && lease.until > now;
}

/**
 * Gives the lease to whoever asks first once a probe is due, until it has expired; whoever holds it may prolong it. Whose probe
 * has failed, where that is not enough for the fleet, leaves the next to others.
 */
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
  const mine = lease !== undefined && lease.until > now && lease.holder === by ? lease : undefined;
  if (mine === undefined && lease !== undefined && lease.until > now) return refuse(lease.until - now);
  const passedBy = record.votes[by] ?? 0;
  if (passedBy > now) return refuse(passedBy - now);
  const token = mine?.token ?? record.leases + 1;
  const next: FleetRecord = { ...record, leases: token, lease: { holder: by, token, until: now + leaseMs } };
  return { record: next, answer: { state: stateOf(next, now), token, waitMs: 0 } };
}
