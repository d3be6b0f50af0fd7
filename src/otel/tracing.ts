import {
  type Attributes,
  context,
  isSpanContextValid,
  propagation,
  type ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';

import type { AttemptEvent, CompletedEvent, FallbackEvent, SteadEvent } from '../events.ts';
import { degradation } from '../http/cache-status.ts';
import type { Settled } from '../model/outcome.ts';
import type { DependencySnapshot } from '../snapshot.ts';
import { type AttemptSetting, type CallObserver, observe, type StartedCall } from '../telemetry.ts';
import {
  callAttributes,
  givenAttributes,
  knownMethod,
  outcomeAttributes,
  type QueryRule,
  recordableUrl,
  serverAttributes,
} from './attributes.ts';

/** How calls are traced. */
export interface TracingRules {
  readonly query: QueryRule;
  /** Whether a server may be told which trace it is part of. */
  readonly propagatesTo: (url: URL | undefined) => boolean;
}

/** Traces each call: a span for it, and in that one for each attempt. Returns the function that ends it. */
export function traceCalls(client: object, tracer: Tracer, rules: TracingRules): () => void {
  return observe(client, (call) => new TracedCall(call, tracer, rules));
}

class TracedCall implements CallObserver {
  readonly #call: StartedCall;
  readonly #tracer: Tracer;
  readonly #rules: TracingRules;
  readonly #span: Span;
  readonly #context: typeof ROOT_CONTEXT;
  #attempt: Span | undefined;
  #fallback: FallbackEvent | undefined;
  #completed: CompletedEvent | undefined;

  constructor(call: StartedCall, tracer: Tracer, rules: TracingRules) {
    this.#call = call;
    this.#tracer = tracer;
    this.#rules = rules;
    const { dependency, method, background } = call;
    this.#span = tracer.startSpan(`${spanMethod(method)} ${dependency}`, {
      kind: SpanKind.INTERNAL,
      attributes: {
        ...callAttributes(call),
        'http.request.method': knownMethod(method),
        ...(background ? { 'steadfetch.background': true } : {}),
      },
    });
    this.#context = trace.setSpan(context.active(), this.#span);
  }

  onAttempt(attempt: number): AttemptSetting {
    const { method, url } = this.#call;
    const attributes: Attributes = serverAttributes(this.#call);
    if (url !== undefined) attributes['url.full'] = recordableUrl(url, this.#rules.query);
    if (knownMethod(method) !== method) attributes['http.request.method_original'] = method.slice(0, LONGEST_METHOD);
    if (attempt > 1) attributes['http.request.resend_count'] = attempt - 1;
    const span = this.#tracer.startSpan(spanMethod(method), { kind: SpanKind.CLIENT, attributes }, this.#context);
    this.#attempt = span;
    const own = trace.setSpan(this.#context, span);
    return {
      headers: this.#rules.propagatesTo(url) ? headersFor(own, span) : {},
      within: (send) => context.with(own, send),
    };
  }

  onEvent(event: SteadEvent): void {
    if (event.type === 'attempt') this.#endAttempt(event);
    else if (event.type === 'fallback') this.#fallback = event;
    else if (event.type === 'completed') this.#completed = event;
    else if (event.type === 'retry') {
      const { attempt, delayMs, retryAfterMs } = event;
      this.#span.addEvent('retry', {
        'steadfetch.attempt': attempt,
        'steadfetch.delay_ms': delayMs,
        ...(retryAfterMs === undefined ? {} : { 'steadfetch.retry_after_ms': retryAfterMs }),
      });
    } else if (event.type === 'queued') {
      const { running, queued } = event;
      this.#span.addEvent('queued', { 'steadfetch.running': running, 'steadfetch.queued': queued });
    } else if (event.type === 'rejected') this.#span.addEvent('rejected', { 'error.type': event.code });
    else if (event.type === 'revalidated')
      this.#span.addEvent('revalidated', { 'steadfetch.revalidation': event.result });
  }

  onEnd(result: Settled<Response | undefined>): void {
    const span = this.#span;
    const completed = this.#completed;
    const given = this.#call.background ? {} : givenAttributes(result, this.#fallback, completed);
    const error = given['error.type'] ?? (this.#call.background ? completed?.failure : undefined);
    span.setAttributes(given);
    if (completed !== undefined) {
      const { attempts, queuedMs } = completed;
      span.setAttributes({ 'steadfetch.attempts': attempts, 'steadfetch.queued_ms': queuedMs });
    }
    const response = 'value' in result ? result.value : undefined;
    const degraded = response && degradation(response);
    if (degraded !== undefined) {
      span.setAttributes({
        'steadfetch.degraded.reason': degraded.reason,
        ...(degraded.source === 'cache' ? { 'steadfetch.answer.age_ms': degraded.ageMs } : {}),
      });
    }
    if (error !== undefined || degraded !== undefined) span.setAttributes(stateAttributes(this.#call.snapshot()));
    if (error !== undefined) {
      span.setAttribute('error.type', error);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  }

  #endAttempt(event: AttemptEvent): void {
    const span = this.#attempt;
    if (span === undefined) return;
    this.#attempt = undefined;
    const attributes = outcomeAttributes(event);
    span.setAttributes({ ...attributes, 'steadfetch.outcome': event.outcome });
    if (attributes['error.type'] !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }
}

const LONGEST_METHOD = 32;

/** As the conventions have it: one that they don't know would make as many names of spans as there are inventions. */
function spanMethod(method: string): string {
  const known = knownMethod(method);
  return known === '_OTHER' ? 'HTTP' : known;
}

/** What the trace is called by, for the next hop: as it is set up for all, or else by W3C Trace Context. */
function headersFor(own: typeof ROOT_CONTEXT, span: Span): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(own, headers);
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  if (Object.keys(headers).length > 0 || !isSpanContextValid(span.spanContext())) return headers;
  headers['traceparent'] = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
  const state = traceState?.serialize();
  if (state !== undefined && state !== '') headers['tracestate'] = state;
  return headers;
}

/** Why a dependency is not well, and since when. */
function stateAttributes({ breaker, lastTransition, lastFailure }: DependencySnapshot): Attributes {
  return {
    ...(breaker === null ? {} : { 'steadfetch.circuit.state': breaker.state }),
    ...(lastTransition === null ? {} : { 'steadfetch.circuit.since': iso(lastTransition.at) }),
    ...(lastFailure === null
      ? {}
      : {
          'steadfetch.last_failure': String(lastFailure.status ?? lastFailure.failure),
          'steadfetch.last_failure.at': iso(lastFailure.at),
        }),
  };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
