import type { Outcome } from './model/outcome.ts';

/** What a number option may be. `Infinity` is allowed only where said. */
interface NumberRule {
  readonly least?: number;
  readonly above?: number;
  readonly most?: number;
  readonly integer?: boolean;
  readonly infinite?: boolean;
  /** Whether a message says that `false` is taken, too. */
  readonly orFalse?: boolean;
}

/** The bounds of a share such as a failure rate. */
export const RATE: NumberRule = { above: 0, most: 1 };
/** A span of time that has to take some. */
export const SPAN_MS: NumberRule = { above: 0, infinite: true };
/** A span of time that may be none. */
export const DELAY_MS: NumberRule = { least: 0 };
/** A count of things, at least one. */
export const COUNT: NumberRule = { least: 1, integer: true };
/** A size, at least one, or no bound. */
export const BOUND: NumberRule = { least: 1, integer: true, infinite: true };

/**
 * The number given for the option at `path`, or its default.
 * @throws TypeError if it is not a number; RangeError if it is not one that makes sense there.
 */
export function checkNumber(path: string, value: unknown, fallback: number, rule: NumberRule): number {
  return value === undefined ? fallback : requireNumber(path, value, rule);
}

/** {@link checkNumber} for what has no default. */
export function requireNumber(path: string, value: unknown, rule: NumberRule): number {
  if (typeof value !== 'number') throw new TypeError(`${path} must be ${describe(rule)}, got ${show(value)}`);
  const fits =
    value >= (rule.least ?? -Infinity) &&
    value > (rule.above ?? -Infinity) &&
    value <= (rule.most ?? Infinity) &&
    (rule.integer !== true || Number.isInteger(value) || value === Infinity) &&
    (rule.infinite === true || Number.isFinite(value));
  if (!fits) throw new RangeError(`${path} must be ${describe(rule)}, got ${show(value)}`);
  return value;
}

/**
 * The function given for the option at `path`, or its default.
 * @throws TypeError if it is something else.
 */
export function checkFunction<F, D>(path: string, value: F | undefined, fallback: D): F | D {
  return value === undefined ? fallback : requireFunction(path, value);
}

/** {@link checkFunction} for what has no default. */
export function requireFunction<F>(path: string, value: F): F {
  if (typeof value !== 'function') throw new TypeError(`${path} must be a function, got ${show(value)}`);
  return value;
}

/**
 * Refuses what lacks a method: that would show only when it is called.
 * @throws TypeError naming what is missing.
 */
export function checkMethods(path: string, kind: string, value: unknown, methods: readonly string[]): void {
  const missing = methods.filter((name) => typeof Reflect.get(Object(value), name) !== 'function');
  if (missing.length === 0) return;
  const without = Object(value) === value ? ` without ${listed(missing, 'and')}` : '';
  throw new TypeError(`${path} must be ${kind}, got ${show(value)}${without}`);
}

/** @throws TypeError if it is no signal. */
export function checkSignal(path: string, signal: unknown): void {
  const { aborted, addEventListener } = Object(signal) as Partial<AbortSignal>;
  if (typeof aborted === 'boolean' && typeof addEventListener === 'function') return;
  throw new TypeError(`${path} must be an AbortSignal, got ${show(signal)}`);
}

/**
 * One of the strings in `choices`, or the first.
 * @throws TypeError if it is none of them.
 */
export function checkChoice<C extends string>(path: string, value: unknown, choices: readonly [C, ...C[]]): C {
  return value === undefined ? choices[0] : requireChoice(path, value, choices);
}

/** {@link checkChoice} for what has no default. */
export function requireChoice<C extends string>(path: string, value: unknown, choices: readonly C[]): C {
  const choice = choices.find((each) => each === value);
  if (choice !== undefined) return choice;
  throw new TypeError(`${path} must be ${listed(choices.map(show), 'or')}, got ${show(value)}`);
}

/**
 * The array given for the option at `path`, or its default.
 * @throws TypeError if it is none, or has something else in it than texts, or numbers.
 */
export function checkList<V, D extends readonly V[] | undefined>(
  path: string,
  value: readonly V[] | undefined,
  fallback: D,
  type: 'string' | 'number',
): readonly V[] | D {
  if (value === undefined) return fallback;
  const wrong = Array.isArray(value) ? value.findIndex((each) => typeof each !== type) : -1;
  if (Array.isArray(value) && wrong < 0) return value;
  throw new TypeError(`${path} must be an array of ${type}s, got ${show(Array.isArray(value) ? value[wrong] : value)}`);
}

/**
 * What a function of the user's has answered, if it is an outcome.
 * @throws TypeError if it is none.
 */
export function checkOutcome(path: string, answer: unknown): Outcome {
  if (answer === 'success' || answer === 'failure' || answer === 'ignored') return answer;
  throw new TypeError(`${path} must return "success", "failure" or "ignored", got ${show(answer)}`);
}

/**
 * What a function of the user's has answered, if it is yes or no: a promise, say, would always be yes.
 * @throws TypeError if it is neither.
 */
export function checkYesNo(path: string, answer: unknown): boolean {
  if (typeof answer === 'boolean') return answer;
  throw new TypeError(`${path} must return true or false, got ${show(answer)}`);
}

/**
 * Refuses both of two options, and neither.
 * @throws TypeError naming them.
 */
export function checkEither(path: string, options: object): void {
  const entries = Object.entries(options);
  if (entries.filter(([, value]) => value !== undefined).length === 1) return;
  const got = entries.map(([name, value]) => `${name} ${show(value)}`);
  throw new TypeError(`${path} must have either ${Object.keys(options).join(' or ')}, got ${got.join(' and ')}`);
}

/**
 * Refuses what is not an object of options, and those that do not exist: a misspelt name would silently mean the default.
 * @throws TypeError naming the option.
 */
export function checkKeys(path: string, options: unknown, known: readonly string[]): void {
  checkObject(path, options);
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new TypeError(`${path}.${shorten(unknown)} is not an option; there are ${known.join(', ')}`);
  }
  // A policy or a budget keeps its own to itself: it would pass for options that say nothing.
  const method = ['execute', 'withdraw'].find((name) => name in options);
  if (method !== undefined) throw new TypeError(`${path} must be plain options, got an object with ${method}()`);
}

/** What `resolve` makes of the options of something that `false` switches off. */
export function unlessFalse<O extends object, L>(
  path: string,
  given: O | false,
  resolve: (options: O) => L,
): L | false {
  if (given === false) return false;
  checkObject(path, given, 'an object or false');
  return resolve(given);
}

function checkObject(path: string, value: unknown, kind = 'an object'): asserts value is object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  throw new TypeError(`${path} must be ${kind}, got ${show(value)}`);
}

/** A value as it may stand in an error message: short, never throwing, and without what may be secret. */
export function show(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  // A URL in place of a client may have a password in it.
  if (typeof value === 'string') return /:\/\/|@/.test(value) ? 'a URL' : quote(value);
  return shorten(typeof value === 'bigint' ? `${value}n` : String(value));
}

/** A name as it may stand in an error message. */
export function quote(name: string): string {
  return JSON.stringify(shorten(name));
}

function listed(all: readonly string[], word: 'and' | 'or'): string {
  return all.join(', ').replace(/, ([^,]+)$/, ` ${word} $1`);
}

function shorten(text: string): string {
  return text.length > 50 ? `${text.slice(0, 50)}…` : text;
}

function describe({ least, above, most, integer, infinite, orFalse }: NumberRule): string {
  const kind = integer === true ? 'an integer' : 'a number';
  const low = least === undefined ? `above ${above}` : `of at least ${least}`;
  const high = most === undefined || most === Infinity ? '' : ` and at most ${most}`;
  const others = [infinite === true && 'Infinity', orFalse === true && 'false'].filter((other) => other !== false);
  return listed([`${kind} ${low}${high}`, ...others], 'or');
}
