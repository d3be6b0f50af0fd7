import { checkFunction, checkKeys, checkNumber, SPAN_MS, show } from '../checks.ts';
import type { Clock } from '../clock.ts';

/** As `application/health+json` has it: `warn` is healthy, with something to look at. */
export type HealthStatus = 'pass' | 'warn' | 'fail';

/** What a check has found, of one thing. */
export interface Finding {
  readonly status: HealthStatus;
  /** What is wrong, for whoever looks. It is shown to anybody who asks for details. */
  readonly output?: string;
  /** What it was found of, if a check looks at several things: a dependency's name, say. */
  readonly componentId?: string;
  readonly observedValue?: string | number | boolean;
  readonly observedUnit?: string;
}

/**
 * Looks whether something is well. It fails if it throws, gives `false`, or takes longer than it may: its signal aborts
 * then. Anything else that is no finding is a pass.
 */
export type CheckFunction = (signal: AbortSignal) => unknown;

/** A check with a time limit of its own. */
export interface TimedCheck {
  readonly run: CheckFunction;
  /** Milliseconds that it may take. Default: that of `createHealth`. */
  readonly timeoutMs?: number;
}

/** A check that says how a dependency does: made by {@link dependsOn}. Liveness does not take it. */
export interface DependencyCheck extends TimedCheck {
  readonly dependency: true;
}

/** A check of readiness or of startup. */
export type Check = CheckFunction | TimedCheck | DependencyCheck;

/**
 * A check of liveness: whether this process is beyond help, and is to be started anew. A dependency that is down is no
 * reason: starting all who need it anew helps nobody.
 */
export type LivenessCheck = CheckFunction | (TimedCheck & { readonly dependency?: never });

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

/** @throws TypeError or RangeError naming the option and the value. */
export function resolveChecks(path: string, given: unknown, defaultTimeoutMs: number): readonly NamedCheck[] {
  if (given === undefined) return [];
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TypeError(`${path} must be an object of checks by their names, got ${show(given)}`);
  }
  return Object.entries(given).map(([name, check]: [string, unknown]) => {
    const own = `${path}.${name}`;
    if (typeof check === 'function') return { name, run: check as CheckFunction, timeoutMs: defaultTimeoutMs };
    if (typeof check !== 'object' || check === null) {
      throw new TypeError(`${own} must be a function or { run, timeoutMs }, got ${show(check)}`);
    }
    checkKeys(own, check, ['run', 'timeoutMs', 'dependency']);
    const { run, timeoutMs, dependency } = check as Partial<DependencyCheck>;
    if (dependency !== undefined && path.endsWith('liveness')) {
      throw new TypeError(`${own} must not be about a dependency: put it into readiness`);
    }
    return {
      name,
      run: checkFunction(`${own}.run`, run ?? (null as unknown as CheckFunction), () => {}),
      timeoutMs: checkNumber(`${own}.timeoutMs`, timeoutMs, defaultTimeoutMs, SPAN_MS),
    };
  });
}

/** Carries a check out. Whatever it does, this neither rejects nor takes longer than the check may. */
export function carryOut({ name, run, timeoutMs }: NamedCheck, clock: Clock): Promise<Checked> {
  const at = clock.epochNow();
  const startedAt = clock.now();
  const controller = new AbortController();
  return new Promise((resolve) => {
    const end = (findings: readonly Finding[]): void => {
      cancel();
      resolve({ name, status: worst(findings), findings, at, durationMs: clock.now() - startedAt });
    };
    const cancel = clock.schedule(timeoutMs, () => {
      end([{ status: 'fail', output: 'timeout' }]);
      controller.abort(new DOMException(`The check "${name}" took longer than ${timeoutMs} ms`, 'TimeoutError'));
    });
    // In a promise of its own, so that a synchronous throw is a rejection like any other.
    new Promise((done) => done(run(controller.signal)))
      .then(findingsIn)
      .then(end, (error: unknown) => end([{ status: 'fail', output: nameOf(error) }]));
  });
}

export function worst(all: readonly { readonly status: HealthStatus }[]): HealthStatus {
  if (all.some(({ status }) => status === 'fail')) return 'fail';
  return all.some(({ status }) => status === 'warn') ? 'warn' : 'pass';
}

function findingsIn(result: unknown): readonly Finding[] {
  const all: readonly unknown[] = Array.isArray(result) ? result : [result];
  return all.map((each) => {
    if (each === false) return { status: 'fail' };
    if (typeof each !== 'object' || each === null || !('status' in each)) return { status: 'pass' };
    const { status, ...facts } = each;
    if (status !== 'pass' && status !== 'warn' && status !== 'fail') {
      return { status: 'fail', output: `status must be "pass", "warn" or "fail", got ${show(status)}` };
    }
    // No more than can be shown: a bigint, or what refers to itself, is no JSON.
    const shown = Object.entries(facts).filter(
      ([name, value]) => FACTS.includes(name) && ['string', 'number', 'boolean'].includes(typeof value),
    );
    return { status, ...Object.fromEntries(shown) };
  });
}

const FACTS = ['output', 'componentId', 'observedValue', 'observedUnit'];

/** What went wrong, but never the message of an error: anybody may be asking, and it may have anything in it. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error || error instanceof DOMException)) return 'Error';
  const code: unknown = Reflect.get(error, 'code');
  const isName = (text: unknown): text is string => typeof text === 'string' && /^\w{1,50}$/.test(text);
  if (isName(code)) return code;
  return isName(error.name) ? error.name : 'Error';
}
