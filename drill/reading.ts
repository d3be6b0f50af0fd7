import { capacityPerSecond, OUTAGE } from './script.ts';
import type { Summary } from './statistics.ts';
import { list, percent, ratio, span } from './text.ts';

/** Differences in the share of answers that are no more than noise. */
const NOISE = 0.02;

const OURS = 'steadfetch';

/** The figures in words: each sentence is drawn from them, whoever comes out best. */
export function reading(summaries: readonly Summary[]): string {
  return [answers(summaries), load(summaries), failing(summaries), recovery(summaries), lost(summaries)]
    .filter((sentence) => sentence !== '')
    .join(' ');
}

function answers(summaries: readonly Summary[]): string {
  const [best, ...others] = ranked(summaries, ({ answered = 0 }) => -answered);
  if (best === undefined) return '';
  const most = percent(best.answered, 1);
  const behind = others.map(({ name, answered }) => `${percent(answered, 1)} with ${name}`);
  return `${capital(best.name)} got the most answers: ${most} of its calls, against ${list(behind)}.`;
}

function load(summaries: readonly Summary[]): string {
  const [least, ...others] = ranked(summaries, ({ seenPerCall = 0 }) => seenPerCall);
  if (least === undefined) return '';
  const fewest = `${least.name}, ${ratio(least.seenPerCall)} per call`;
  const more = others.map(({ name, seenPerCall }) => `${ratio(seenPerCall)} with ${name}`);
  const worst = heaviestPhase(summaries);
  const peak = worst === undefined ? '' : ` The most was asked by ${worst}.`;
  return `The upstream saw the fewest requests with ${fewest}, against ${list(more)}.${peak}`;
}

function heaviestPhase(summaries: readonly Summary[]): string | undefined {
  const all = summaries.flatMap(({ name, phases }) =>
    phases.map(({ label, seenPerCall = 0 }) => ({ name, label, seenPerCall })),
  );
  const [worst] = ranked(all, ({ seenPerCall }) => -seenPerCall);
  return worst && `${worst.name} in "${worst.label}": ${ratio(worst.seenPerCall)} per call`;
}

function failing(summaries: readonly Summary[]): string {
  const failed = ranked(
    summaries.filter(({ toFailure }) => toFailure.p50 !== undefined),
    ({ toFailure }) => toFailure.p50 ?? 0,
  );
  if (failed.length === 0) return 'No call failed.';
  const waits = failed.map(({ name, toFailure }) => `${span(toFailure.p50)} with ${name}`);
  return `When there was no answer, half of the callers knew within ${list(waits)}.`;
}

function recovery(summaries: readonly Summary[]): string {
  const served = ranked(
    summaries.filter(({ servedAgainMs }) => servedAgainMs !== undefined),
    ({ servedAgainMs = 0 }) => servedAgainMs,
  );
  const never = summaries.filter(({ servedAgainMs }) => servedAgainMs === undefined);
  const when = served.map(({ name, servedAgainMs }) => `${span(servedAgainMs)} with ${name}`);
  const after = when.length === 0 ? '' : `Once the upstream was back, callers were served again after ${list(when)}.`;
  return [after, ...never.map(unserved)].filter((sentence) => sentence !== '').join(' ');
}

function unserved({ name, phases }: Summary): string {
  const last = phases.at(-1);
  const { conduct } = OUTAGE.at(-1) ?? {};
  const capacity = conduct?.kind === 'serve' ? capacityPerSecond(conduct.serviceMs) : Infinity;
  const asked = last?.seenPerSecond ?? 0;
  const overload =
    asked > capacity
      ? `: at the end it still asked for ${Math.round(asked)} requests/s of an upstream that can answer ${capacity}`
      : '';
  return `With ${name} they were not, for as long as the drill lasted${overload}.`;
}

/** Where ours is not the best, by name. */
function lost(summaries: readonly Summary[]): string {
  const ours = summaries.find(({ name }) => name === OURS);
  const others = summaries.filter(({ name }) => name !== OURS);
  if (ours === undefined) return '';
  const lines = ours.phases.flatMap(({ label, answered = 0 }, index) => {
    const [best] = ranked(others, ({ phases }) => -(phases[index]?.answered ?? 0));
    const theirs = best?.phases[index]?.answered ?? 0;
    if (best === undefined || theirs <= answered + NOISE) return [];
    return [`"${label}" (${best.name} ${percent(theirs)}, ${OURS} ${percent(answered)})`];
  });
  return lines.length === 0
    ? `In no phase did another get more answers than ${OURS}.`
    : `Others got more answers than ${OURS} in ${list(lines)}.`;
}

function ranked<T>(items: readonly T[], by: (item: T) => number): readonly T[] {
  return items.toSorted((a, b) => by(a) - by(b));
}

function capital(text: string): string {
  return text === OURS ? text : text.charAt(0).toUpperCase() + text.slice(1);
}
