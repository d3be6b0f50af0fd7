import { setTimeout as sleep } from 'node:timers/promises';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Page } from 'playwright';
import { createClient, memoryStore } from 'steadfetch';
import { instrument } from 'steadfetch/otel';

/** Two calls of one request to us, with what their upstream does: the second finds the circuit open. */
async function trace(): Promise<readonly ReadableSpan[]> {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  let attempts = 0;
  const client = createClient({
    name: 'shop',
    attemptTimeoutMs: 150,
    breaker: { failureThreshold: 1 },
    retry: { initialDelayMs: 80, jitter: 0 },
    fallback: { store: memoryStore() },
    async fetch(_input, init) {
      attempts += 1;
      await sleep(attempts === 3 ? 1_000 : 60, undefined, { signal: init?.signal as AbortSignal });
      return new Response('', { status: attempts === 1 ? 200 : 503 });
    },
  });
  await client.fetch('https://users.internal/u/1');
  instrument(client, { tracerProvider, meterProvider: false });
  await client.fetch('https://users.internal/u/1');
  await client.fetch('https://users.internal/u/1');
  return exporter.getFinishedSpans();
}

const ms = ([seconds, nanoseconds]: readonly [number, number]): number => seconds * 1_000 + nanoseconds / 1e6;
const escaped = (text: string): string => text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);

// What says most; the rest of the attributes is as in the table of the docs.
const SHOWN = [
  'error.type',
  'http.request.resend_count',
  'steadfetch.answer',
  'steadfetch.degraded.reason',
  'steadfetch.circuit.state',
  'steadfetch.circuit.outage.since',
  'steadfetch.last_failure',
];

/** Spans as bars on a line of time, each with what it says of itself. */
export async function photographTrace(page: Page, path: string): Promise<void> {
  const spans = [...(await trace())].sort((a, b) => ms(a.startTime) - ms(b.startTime));
  const startedAt = Math.min(...spans.map(({ startTime }) => ms(startTime)));
  const spanMs = Math.max(...spans.map(({ endTime }) => ms(endTime))) - startedAt;
  const rows = spans.map((span) => {
    const { name, startTime, duration, attributes, parentSpanContext, status } = span;
    const left = ((ms(startTime) - startedAt) / spanMs) * 100;
    const width = Math.max(0.4, (ms(duration) / spanMs) * 100);
    const said = SHOWN.filter((key) => attributes[key] !== undefined).map((key) => `${key} = ${attributes[key]}`);
    const kind = `${parentSpanContext === undefined ? 'call' : 'attempt'} ${status.code === 2 ? 'error' : ''}`;
    return `<tr class="${kind}"><th>${escaped(name)}</th><td><i style="left:${left}%;width:${width}%"></i>
      <b style="left:${Math.min(left, 88)}%">${ms(duration).toFixed(0)} ms</b></td>
      <td>${said.map(escaped).join('<br>')}</td></tr>`;
  });
  await page.setContent(`<style>
    body { font: 13px system-ui, sans-serif; margin: 0; color: #1b1f24; background: #fff }
    table { border-collapse: collapse; width: 100% } tr { border-top: 1px solid #d5dbe1 }
    th { text-align: left; font: 600 13px system-ui, sans-serif; white-space: nowrap; padding: 6px 12px; vertical-align: top }
    .attempt th { font-weight: 400; padding-left: 32px }
    td { position: relative; vertical-align: top; padding: 6px 8px; height: 40px } td:nth-child(2) { width: 42% }
    td:last-child { font: 11px/1.5 ui-monospace, monospace; white-space: nowrap }
    i { position: absolute; top: 8px; height: 12px; border-radius: 2px; background: #2f6fde }
    .attempt i { background: #7fb0ff } .error i { background: #d1382c }
    b { position: absolute; top: 24px; font-weight: 400; font-size: 11px; color: #5a6572 }
  </style><table>${rows.join('')}</table>`);
  await page.locator('table').screenshot({ path });
}
