import { COUNT, checkNumber } from '../checks.ts';
import type { FleetReport } from './fleet.ts';
import { LONGEST_MS } from './record.ts';

/** What an instance asks the object of a dependency, as JSON. */
export type DurableQuestion = { readonly by: string; readonly quorum: number } & (
  | { readonly ask: 'read' }
  | { readonly ask: 'lease'; readonly leaseMs: number }
  | { readonly ask: 'report'; readonly report: FleetReport }
);

/** The most bytes that a question has. */
export const MOST_QUESTION_BYTES = 1_024;
export const MOST_QUORUM = 1_000;

/** The quorum given for the option at `path`. */
export function checkQuorum(path: string, quorum: unknown): number {
  return checkNumber(path, quorum, 1, { ...COUNT, most: MOST_QUORUM });
}

/** A question, if it makes sense: whatever is bound to the object can send it anything. */
export function parseQuestion(text: string): DurableQuestion | undefined {
  const { ask, by, quorum, leaseMs, report } = parseObject(text);
  if (typeof by !== 'string' || !/^[a-z0-9]{1,40}$/.test(by)) return undefined;
  if (!isCount(quorum) || quorum > MOST_QUORUM) return undefined;
  if (ask === 'read') return { ask, by, quorum };
  if (ask === 'lease') return isSpan(leaseMs) ? { ask, by, quorum, leaseMs } : undefined;
  if (ask !== 'report') return undefined;
  const parsed = parseReport(report);
  return parsed && { ask, by, quorum, report: parsed };
}

function parseReport(report: unknown): FleetReport | undefined {
  const { kind, retryAfterMs, token } = Object(report) as Record<string, unknown>;
  if (kind === 'down') return isSpan(retryAfterMs) ? { kind, retryAfterMs } : undefined;
  if (kind === 'recovered') return token === 0 || isCount(token) ? { kind, token: token as number } : undefined;
  if (!isCount(token)) return undefined;
  return kind === 'failed' && isSpan(retryAfterMs) ? { kind, retryAfterMs, token } : undefined;
}

function parseObject(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isSpan(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= LONGEST_MS;
}
