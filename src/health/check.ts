import { checkKeys, checkNumber, requireFunction, show } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { cancelBody } from '../http/bytes.ts';

/** As `application/health+json` has it: `warn` is healthy, with something to look at. */
export type HealthStatus = 'pass' | 'warn' | 'fail';

/** What a check has found, of one thing. */
export interface Finding {
  /** The verdict. */
  readonly status: HealthStatus;
  /** What is wrong, for whoever looks. It is shown to anybody who asks for details. */
  readonly output?: string;
  /** What it was found of, if a check looks at several things: a dependency's name, say. */
  readonly componentId?: string;
  /** What was measured. */
  readonly observedValue?: string | number | boolean;
  /** In what unit. */
  readonly observedUnit?: string;
}

/**
 * Looks whether something is well. It fails if it throws, gives `false`, or a Response or anything else that says `ok: false`,
 * or takes longer than it may: its signal aborts then. It may give a {@link Finding}, or several; anything else is a pass.
 */
export type CheckFunction = (signal: AbortSignal) => unknown;

/** A check with a time limit of its own. */
export interface TimedCheck {
  /** The check. */
  readonly run: CheckFunction;
  /** Milliseconds that it may take. Default: that of `createHealth`. */
  readonly timeoutMs?: number;
  /** Not of these: what is about a dependency is made by {@link dependsOn}. */
  readonly dependency?: never;
}

/** A check that says how a dependency does: made by {@link dependsOn}. Liveness does not take it. */
export interface DependencyCheck {
  /** The check. It makes no call: it reads the state of circuits. */
  readonly run: CheckFunction;
  readonly dependency: true;
}

/** A check of readiness or of startup. */
export type Check = CheckFunction | TimedCheck | DependencyCheck;

/**
 * A check of liveness: whether this process is beyond help, and is to be started anew. A dependency that is down is no
 * reason: starting all who need it anew helps nobody.
 */
export type LivenessCheck = CheckFunction | TimedCheck;

/** A check that was carried out. */
export interface Checked {
  readonly name: string;
  /** The worst of its findings. */
  readonly status: HealthStatus;
  readonly findings: readonly Finding[];
  /** When it began, in ms since the Unix epoch. */
  readonly at: number;
  readonly durationMs: number;
}

/** A check, checked and complete. */
export interface NamedCheck {
  readonly name: string;
  readonly run: CheckFunction;
  readonly timeoutMs: number;
}

/** What a check may take: not for ever, for one that hangs has failed. */
export const CHECK_MS = { above: 0 };

/** @throws TypeError or RangeError naming the option and the value. */
export function resolveChecks(path: string, given: unknown, defaultTimeoutMs: number): readonly NamedCheck[] {
  if (given === undefined) return [];
  // A list, a Map or a promise of checks would be none.
  if (typeof given !== 'object' || given === null || Symbol.iterator in given || 'then' in given) {
    throw new TypeError(`${path} must be an object of checks by their names, got ${show(given)}`);
  }
  return Object.entries(given).map(([name, check]: [string, unknown]) => {
    const own = `${path}.${name}`;
    if (typeof check === 'function') return { name, run: check as CheckFunction, timeoutMs: defaultTimeoutMs };
    if (typeof check !== 'object' || check === null) {
      throw new TypeError(`${own} must be a function or { run, timeoutMs }, got ${show(check)}`);
    }
    checkKeys(own, check, ['run', 'timeoutMs', 'dependency']);
    const { run, timeoutMs, dependency } = check as Partial<Omit<TimedCheck, 'dependency'> & DependencyCheck>;
    if (dependency !== undefined && path.endsWith('liveness')) {
      throw new TypeError(`${own} must not be about a dependency: put it into readiness`);
    }
    return {
      name,
      run: requireFunction(`${own}.run`, run as CheckFunction),
      timeoutMs: checkNumber(`${own}.timeoutMs`, timeoutMs, defaultTimeoutMs, CHECK_MS),
    };
  });
}

/** Carries a check out. Whatever it does, this neither rejects nor takes longer than the check may. */
export function carryOut({ name, run, timeoutMs }: NamedCheck, clock: Clock): Promise<Checked> {
  const at = clock.epochNow();
  const startedAt = clock.now();
  const controller = new AbortController();
  return new Promise((resolve) => {
    const end = (found: readonly Finding[]): void => {
      cancel();
      const durationMs = clock.now() - startedAt;
      // One that blocks everything lets no timer tell.
      const findings = durationMs > timeoutMs ? TOO_LATE : found;
      resolve({ name, status: worst(findings), findings, at, durationMs });
    };
    const cancel = clock.schedule(timeoutMs, () => {
      end(TOO_LATE);
      controller.abort(new DOMException(`The check "${name}" took longer than ${timeoutMs} ms`, 'TimeoutError'));
    });
    cancel.unref?.();
    // In a promise of its own, so that a synchronous throw is a rejection like any other.
    new Promise((done) => done(run(controller.signal)))
      .then((result) => (Array.isArray(result) ? Promise.all(result) : result))
      .then(findingsIn)
      .then(end, (error: unknown) => end([{ status: 'fail', output: nameOf(error) }]));
  });
}

const TOO_LATE: readonly Finding[] = [{ status: 'fail', output: 'timeout' }];

export function worst(all: readonly { readonly status: HealthStatus }[]): HealthStatus {
  if (all.some(({ status }) => status === 'fail')) return 'fail';
  return all.some(({ status }) => status === 'warn') ? 'warn' : 'pass';
}

function findingsIn(result: unknown): readonly Finding[] {
  const all: readonly unknown[] = Array.isArray(result) ? result : [result];
  return all.map((each) => {
    if (each === false) return { status: 'fail' };
    if (typeof each !== 'object' || each === null) return { status: 'pass' };
    if (isResponse(each)) return findingOf(each);
    const { status, ok, ...facts } = each as { readonly status?: unknown; readonly ok?: unknown };
    if (typeof status !== 'string') return { status: ok === false ? 'fail' : 'pass' };
    if (status !== 'pass' && status !== 'warn' && status !== 'fail') {
      return { status: 'fail', output: `status must be "pass", "warn" or "fail", got ${show(status)}` };
    }
    // No more than can be shown: a bigint, or what refers to itself, is no JSON.
    const shown = Object.entries(facts).filter(
      ([name, value]) =>
        FACTS.includes(name) && (Number.isFinite(value) || typeof value === 'string' || typeof value === 'boolean'),
    );
    return { status, ...Object.fromEntries(shown) };
  });
}

/** By what it says, and not by its class: that of undici, node-fetch, or another realm is not the platform's. */
function isResponse(value: object): value is Response {
  const { ok, status } = value as Partial<Response>;
  return typeof ok === 'boolean' && typeof status === 'number';
}

/** Of a check that just calls something. */
function findingOf(response: Response): Finding {
  cancelBody(response);
  return response.ok ? { status: 'pass' } : { status: 'fail', output: `status-${response.status}` };
}

const FACTS = ['output', 'componentId', 'observedValue', 'observedUnit'];

/** What went wrong, but never the message of an error: anybody may be asking, and it may have anything in it. */
function nameOf(error: unknown): string {
  const isName = (text: unknown): text is string => typeof text === 'string' && /^\w{1,50}$/.test(text);
  try {
    const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
    return [code, name].find(isName) ?? 'Error';
  } catch {
    // It is none, or throws on being looked at.
    return 'Error';
  }
}
