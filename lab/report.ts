import type { Paint } from '../drill/paint.ts';
import { type Finding, holds } from './experiment.ts';
import type { Outcome } from './outcome.ts';

/** What an experiment came to, as lines for a terminal. */
export function reportOf({ title, hypothesis, findings }: Outcome, paint: Paint): readonly string[] {
  return ['', paint('bold', title), hypothesis, ...findings.map((finding) => line(finding, paint))];
}

function line(finding: Finding, paint: Paint): string {
  const { of, claim } = finding;
  const mark = expected(finding) === '' ? ' ' : holds(finding) ? paint('green', '✓') : paint('red', '✗');
  return `  ${mark} ${of === undefined ? '' : `${of}: `}${claim}: ${amountOf(finding)}${expected(finding)}`;
}

/** A number with its unit, as exact as it is useful. */
export function amountOf({ value, unit }: Finding): string {
  if (value === Infinity) return 'never';
  if (Number.isNaN(value)) return '–';
  const text = value.toLocaleString(
    'en',
    value >= 1_000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 },
  );
  return unit === undefined ? text : `${text} ${unit}`;
}

function expected({ atLeast, atMost }: Finding): string {
  if (atLeast === undefined && atMost === undefined) return '';
  const bounds = [
    atLeast === undefined ? '' : `at least ${atLeast}`,
    atMost === undefined ? '' : `at most ${round(atMost)}`,
  ];
  return `   (expected: ${bounds.filter((bound) => bound !== '').join(', ')})`;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
