import { readFileSync } from 'node:fs';
import { type ClientOptions, createClient } from 'steadfetch';
import { UsageError } from '../drill/options.ts';
import { type Plan, withStore } from './study.ts';

const DEFAULTS: Plan = {
  policy: {},
  instances: 10,
  callsPerSecond: 200,
  urls: 100,
  medianMs: 40,
  p99Ms: 200,
  capacityPerSecond: 400,
  backlog: 2_000,
};

// More would take minutes and gigabytes, and say no more.
const MOST: Readonly<Record<Exclude<keyof Plan, 'policy'>, number>> = {
  instances: 1_000,
  callsPerSecond: 5_000,
  urls: 100_000,
  medianMs: 60_000,
  p99Ms: 600_000,
  capacityPerSecond: 10_000,
  backlog: 1_000_000,
};
const LEAST: Readonly<Record<string, number>> = { backlog: 0, callsPerSecond: 1, capacityPerSecond: 1 };
const WHOLE: readonly string[] = ['instances', 'urls', 'backlog'];

/**
 * The plan in a JSON file: what it leaves out has its default.
 * @throws UsageError naming the file, or the key and its value.
 */
export function readPlan(path: string): Plan {
  const given = parsed(path);
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(DEFAULTS, key))
      throw new UsageError(`${path}: ${key} is not a key; there are ${Object.keys(DEFAULTS).join(', ')}`);
  }
  const plan = { ...DEFAULTS, ...given };
  for (const [key, most] of Object.entries(MOST)) checkNumber(path, key, Reflect.get(plan, key), most);
  if (plan.p99Ms <= plan.medianMs) {
    throw new UsageError(`${path}: p99Ms must be above medianMs, got ${plan.p99Ms} and ${plan.medianMs}`);
  }
  checkPolicy(path, plan.policy);
  return plan;
}

function parsed(path: string): Partial<Plan> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`${path} can't be read as JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(
      `${path} must hold an object, such as {"policy": {"retry": {"maxAttempts": 2}}, "callsPerSecond": 100}`,
    );
  }
  return value;
}

function checkNumber(path: string, key: string, value: unknown, most: number): void {
  const least = LEAST[key] ?? Number.MIN_VALUE;
  const fits =
    typeof value === 'number' && value >= least && value <= most && (Number.isInteger(value) || !WHOLE.includes(key));
  if (fits) return;
  const what = WHOLE.includes(key) ? 'a whole number' : 'a number';
  const range = least === Number.MIN_VALUE ? `above 0, and at most ${most}` : `from ${least} to ${most}`;
  const got = typeof value === 'number' ? String(value) : JSON.stringify(value);
  throw new UsageError(`${path}: ${key} must be ${what} ${range}, got ${got}`);
}

/** The library itself says what is wrong. */
function checkPolicy(path: string, policy: unknown): void {
  try {
    if (Object(policy) !== policy || Array.isArray(policy))
      throw new TypeError(`must be an object, got ${JSON.stringify(policy)}`);
    createClient(withStore(policy as ClientOptions));
  } catch (error) {
    throw new UsageError(`${path}: policy: ${error instanceof Error ? error.message : String(error)}`);
  }
}
