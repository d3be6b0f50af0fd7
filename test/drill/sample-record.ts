import type { Call, DrillRecord, Track } from '../../drill/record.ts';
import { type Phase, timed } from '../../drill/script.ts';

const RATE_PER_SECOND = 10;

const SCRIPT: readonly Phase[] = [
  { label: 'ok', story: 'answers', lastsMs: 2_000, conduct: { kind: 'serve', serviceMs: 60 } },
  { label: 'down', story: 'refuses connections', lastsMs: 2_000, conduct: { kind: 'down' } },
  { label: 'healed', story: 'answers again', lastsMs: 4_000, conduct: { kind: 'serve', serviceMs: 60 } },
];

/** A contender that is answered outside the outage, `lateMs` after the upstream is back. */
function track(name: string, lateMs: number, perCall: number): Track {
  const calls = Array.from({ length: 80 }, (_, number): Call => {
    const startedAt = (number * 1_000) / RATE_PER_SECOND;
    const answered = startedAt < 2_000 || startedAt >= 4_000 + lateMs;
    return { startedAt, endedAt: startedAt + (answered ? 80 : 900), answered };
  });
  const seen = Array.from({ length: 80 }, (_, index) => ({ at: (index + 1) * 100, total: (index + 1) * perCall }));
  return { name, calls, seen, seenByPhase: [20 * perCall, 20 * perCall, 40 * perCall] };
}

/** A drill that has ended, and whose figures are known. */
export function sampleRecord(changes: Partial<DrillRecord> = {}): DrillRecord {
  return {
    phases: timed(SCRIPT),
    ratePerSecond: RATE_PER_SECOND,
    tracks: [track('bare fetch', 1_000, 1), track('naive retry', 4_000, 3), track('steadfetch', 500, 0.5)],
    circuit: [
      { at: 0, state: 'closed' },
      { at: 2_500, state: 'open' },
      { at: 4_400, state: 'half-open' },
      { at: 4_500, state: 'closed' },
    ],
    latestMs: 3,
    ...changes,
  };
}
