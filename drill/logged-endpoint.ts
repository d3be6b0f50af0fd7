import type { EndpointRecord } from './endpoint-record.ts';
import { list } from './text.ts';
import type { View } from './view.ts';

const NEWS_EVERY_MS = 2_000;

/** Tells of a run against an endpoint in plain lines. */
export function loggedEndpoint(print: (line: string) => void): View<EndpointRecord> {
  let news: ReturnType<typeof setInterval> | undefined;
  return {
    begin(record, elapsedMs) {
      const { url, ratePerSecond, lastsMs } = record.plan;
      print(`GET ${url.href}: ${ratePerSecond} calls a second for ${lastsMs / 1_000} s`);
      news = setInterval(() => print(progress(record, elapsedMs())), NEWS_EVERY_MS);
    },
    end() {
      clearInterval(news);
    },
  };
}

function progress({ results, retries, circuit }: EndpointRecord, nowMs: number): string {
  const counts = list([...results].map(([result, count]) => `${count} × ${result}`));
  const so = [counts || 'no call has ended yet', `${retries} retries`, `circuit ${circuit.at(-1)?.state}`];
  return `${(nowMs / 1_000).toFixed(1).padStart(5)} s  ${so.join('; ')}`;
}
