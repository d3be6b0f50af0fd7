import type { CircuitMark, DrillRecord, Track } from './record.ts';
import { seenPerSecond } from './series.ts';
import { answeredShare } from './statistics.ts';
import { percent } from './text.ts';
import type { View } from './view.ts';

const NEWS_EVERY_MS = 2_000;

/** Tells of the drill in plain lines: one for each phase, and one of progress now and then. */
export function loggedDrill(print: (line: string) => void): View<DrillRecord> {
  let record: DrillRecord | undefined;
  let elapsedMs = (): number => 0;
  let news: ReturnType<typeof setInterval> | undefined;
  let reportedAt = 0;
  return {
    begin(begun, clock) {
      record = begun;
      elapsedMs = clock;
      news = setInterval(() => {
        print(progress(begun, reportedAt, clock()));
        reportedAt = clock();
      }, NEWS_EVERY_MS);
    },
    enter(index) {
      const phase = record?.phases[index];
      if (phase === undefined) return;
      const { label, story, lastsMs, startsAt } = phase;
      print(`${stamp(startsAt)}  ${label}: the upstream ${story} (${(lastsMs / 1_000).toFixed(1)} s)`);
    },
    end() {
      clearInterval(news);
      print(`${stamp(elapsedMs())}  end`);
    },
  };
}

/** What came of the calls that ended, and of the requests that came, in a while. */
export function progress(record: DrillRecord, from: number, to: number): string {
  const tracks = record.tracks.map((track) => `${track.name} ${ended(track, from, to)}`);
  return `${stamp(to)}    answered, upstream load: ${tracks.join(' | ')}; circuit ${stateAt(record.circuit, to)}`;
}

function ended(track: Track, from: number, to: number): string {
  const calls = track.calls.filter(({ endedAt }) => from <= endedAt && endedAt < to);
  return `${percent(answeredShare(calls))}, ${Math.round(seenPerSecond(track.seen, from, to))}/s`;
}

function stateAt(marks: readonly CircuitMark[], at: number): string {
  return marks.findLast((mark) => mark.at <= at)?.state ?? 'closed';
}

function stamp(atMs: number): string {
  return `${(atMs / 1_000).toFixed(1).padStart(5)} s`;
}
