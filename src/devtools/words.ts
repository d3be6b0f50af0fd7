import type { FailureKind, RejectedEvent } from '../events.ts';
import type { Mark } from './mark.ts';

// The panel speaks; nothing in it is told by a colour, or by a code, alone.

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** How long something has lasted: `12 s`, `2 min 17 s`, `3 h 5 min`, `2 d 4 h`. */
export function spanInWords(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / SECOND_MS));
  if (ms < MINUTE_MS) return `${seconds} s`;
  if (ms < HOUR_MS) return twoUnits(ms, MINUTE_MS, 'min', SECOND_MS, 's');
  if (ms < DAY_MS) return twoUnits(ms, HOUR_MS, 'h', MINUTE_MS, 'min');
  return twoUnits(ms, DAY_MS, 'd', HOUR_MS, 'h');
}

function twoUnits(ms: number, bigMs: number, big: string, smallMs: number, small: string): string {
  const rest = Math.floor((ms % bigMs) / smallMs);
  return rest === 0 ? `${Math.floor(ms / bigMs)} ${big}` : `${Math.floor(ms / bigMs)} ${big} ${rest} ${small}`;
}

/** How long an attempt took: `0.4 ms`, `120 ms`, `1.2 s`. */
export function latencyInWords(ms: number): string {
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`;
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`;
}

/** The time of day where the reader is: `14:03:22`, and with its thousandths `14:03:22.120`. */
export function timeOfDay(at: number, precision: 'seconds' | 'milliseconds' = 'seconds'): string {
  const time = new Date(at);
  const two = (number: number): string => String(number).padStart(2, '0');
  const seconds = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return precision === 'seconds' ? seconds : `${seconds}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

const FAILURES: Readonly<Record<FailureKind, string>> = {
  status: 'an error status',
  network: 'connection lost',
  body: 'answer broke off',
  'attempt-timeout': 'no answer within the attempt timeout',
  outrun: 'another request was answered first',
  deadline: 'no answer before the deadline',
  aborted: 'given up by its caller',
  refused: 'refused',
};

/** Why something failed: its status, if it has one. */
export function failureInWords(failure: FailureKind | undefined, status: number | null | undefined): string {
  if (failure === 'status' && typeof status === 'number') return String(status);
  return failure === undefined ? 'failed' : FAILURES[failure];
}

const REFUSALS: Readonly<Record<RejectedEvent['code'], string>> = {
  CIRCUIT_OPEN: 'the circuit is open',
  BULKHEAD_FULL: 'no slot free, and no place to wait',
  QUEUE_TIMEOUT: 'waited too long for a slot',
  CLOSED: 'the client is closed',
};

/** What a mark stands for, in a sentence: `14:03:22.120, attempt 2, failed with 503 after 120 ms`. */
export function markInWords(mark: Mark): string {
  const alike = mark.count > 1 ? `, ${mark.count} alike in this second` : '';
  return `${timeOfDay(mark.at, 'milliseconds')}, ${whatHappened(mark)}${alike}`;
}

function whatHappened(mark: Mark): string {
  if (mark.kind === 'attempt') {
    const { attempt, outcome, status, failure, durationMs } = mark;
    const after = `after ${latencyInWords(durationMs)}`;
    if (outcome === 'failure' && failure !== 'status')
      return `attempt ${attempt}, ${failureInWords(failure, status)} ${after}`;
    if (outcome === 'failure') return `attempt ${attempt}, failed with ${failureInWords(failure, status)} ${after}`;
    const how = status === undefined ? failureInWords(failure, status) : `answered with ${status}`;
    return `attempt ${attempt}, ${how} ${after}`;
  }
  if (mark.kind === 'refused') return `refused without an attempt: ${REFUSALS[mark.code]}`;
  const why = mark.reason === undefined ? '' : `, degraded: ${mark.reason}`;
  if (mark.kind === 'default') return `answered with the default${why}`;
  return `answered from the store, with what is ${spanInWords(mark.ageMs)} old${why}`;
}

/** `1 call`, `2 calls`, `1,200 calls`. */
export function counted(count: number, one: string, many: string = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

/** A number with its thousands apart, as English has it. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `the last minute`, `the last 90 s`. */
export function lastSpanInWords(spanMs: number): string {
  return spanMs === MINUTE_MS ? 'the last minute' : `the last ${spanInWords(spanMs)}`;
}

const LONGEST_NAME = 160;

/** The name of a dependency. Long ones are cut: who chooses URLs must not choose how long the panel is. */
export function inShort(name: string): string {
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name;
}
