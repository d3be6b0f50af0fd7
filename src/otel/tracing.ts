import {
  type Attributes,
  context,
  createContextKey,
  isSpanContextValid,
  propagation,
  type ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';

import type { AttemptEvent, CompletedEvent, FallbackEvent, SteadEvent } from '../events.ts';
import { degradationIn } from '../http/cache-status.ts';
import type { DependencySnapshot } from '../snapshot.ts';
import { type AttemptSetting, type CallEnd, type CallObserver, observe, type StartedCall } from '../telemetry.ts';
import {
  callAttributes,
  givenAttributes,
  knownMethod,
  outcomeAttributes,
  type QueryRule,
  reasonAttribute,
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
  const underWay: UnderWay = new Map();
  return observe(client, (call) => new TracedCall(call, tracer, rules, underWay));
}

/** The spans of calls, by number: for those who share the attempts of another call. */
type UnderWay = Map<number, SpanContext>;

// As the SDK has it: whoever runs in such a context makes no spans, and sends nothing along.
const SUPPRESS_TRACING = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

class TracedCall implements CallObserver {
  readonly #call: StartedCall;
  readonly #tracer: Tracer;
  readonly #rules: TracingRules;
  readonly #underWay: UnderWay;
  readonly #span: Span;
  readonly #context: typeof ROOT_CONTEXT;
  /** Those under way, by number: there may be several side by side. */
  readonly #attempts = new Map<number, Span>();
  #fallback: FallbackEvent | undefined;
  #completed: CompletedEvent | undefined;

  constructor(call: StartedCall, tracer: Tracer, rules: TracingRules, underWay: UnderWay) {
    this.#call = call;
    this.#tracer = tracer;
    this.#rules = rules;
    this.#underWay = underWay;
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
    underWay.set(call.call, this.#span.spanContext());
  }

  onAttempt(attempt: number): AttemptSetting {
    const { method, url, ownFetch } = this.#call;
    const attributes: Attributes = serverAttributes(this.#call);
    if (url !== undefined) attributes['url.full'] = recordableUrl(url, this.#rules.query);
    if (knownMethod(method) !== sentMethod(method)) {
      attributes['http.request.method_original'] = method.slice(0, LONGEST_METHOD);
    }
    if (attempt > 1) attributes['http.request.resend_count'] = attempt - 1;
    const span = this.#tracer.startSpan(spanMethod(method), { kind: SpanKind.CLIENT, attributes }, this.#context);
    this.#attempts.set(attempt, span);
    const own = trace.setSpan(this.#context, span);
    return {
      headers: this.#rules.propagatesTo(url) ? headersFor(own, span) : {},
      // The platform's fetch may be instrumented as well: it would make a second span, and send a second traceparent.
      within: (send) => context.with(ownFetch ? own : own.setValue(SUPPRESS_TRACING, true), send),
    };
  }

  onEvent(event: SteadEvent): void {
    if (event.type === 'attempt') this.#endAttempt(event);
    else if (event.type === 'fallback') this.#fallback = event;
    else if (event.type === 'completed') this.#complete(event);
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
    else if (event.type === 'revalidated') {
      const { result, status } = event;
      const answered = status === undefined ? {} : { 'http.response.status_code': status };
      this.#span.addEvent('revalidated', { 'steadfetch.revalidation': result, ...answered });
    }
  }

  onEnd(end: CallEnd): void {
    const span = this.#span;
    this.#underWay.delete(this.#call.call);
    try {
      const attributes = this.#endAttributes(end);
      span.setAttributes(attributes);
      if (attributes['error.type'] !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    } finally {
      span.end();
    }
  }

  #complete(event: CompletedEvent): void {
    this.#completed = event;
    const { joined } = event;
    if (joined === undefined) return;
    this.#span.setAttribute('steadfetch.coalesced', true);
    const other = this.#underWay.get(joined);
    if (other !== undefined) this.#span.addLink({ context: other });
  }

  #endAttributes(end: CallEnd): Attributes {
    const { result } = end;
    const { background, snapshot } = this.#call;
    const completed = this.#completed;
    // Behind a caller, nobody is given anything: what counts is what became of the request.
    const given = background ? outcomeAttributes(completed ?? {}) : givenAttributes(end, this.#fallback, completed);
    const degraded = 'value' in result && result.value !== undefined ? degradationIn(result.value) : undefined;
    const isWell = given['error.type'] === undefined && degraded === undefined;
    return {
      ...given,
      'steadfetch.attempts': completed?.attempts ?? 0,
      'steadfetch.queued_ms': completed?.queuedMs ?? 0,
      ...(degraded === undefined ? {} : { 'steadfetch.degraded.reason': reasonAttribute(degraded.reason) }),
      ...(degraded?.source === 'cache' ? { 'steadfetch.answer.age_ms': degraded.ageMs } : {}),
      ...(isWell ? {} : stateAttributes(snapshot())),
    };
  }

  #endAttempt(event: AttemptEvent): void {
    const span = this.#attempts.get(event.attempt);
    if (span === undefined) return;
    this.#attempts.delete(event.attempt);
    try {
      const attributes = outcomeAttributes(event);
      span.setAttributes({
        ...attributes,
        'steadfetch.outcome': event.outcome,
        ...(event.hedged === true ? { 'steadfetch.hedged': true } : {}),
      });
      // Who was outrun has done nothing wrong.
      if (attributes['error.type'] !== undefined && event.failure !== 'outrun')
        span.setStatus({ code: SpanStatusCode.ERROR });
    } finally {
      span.end();
    }
  }
}

const LONGEST_METHOD = 32;

// These are sent in capitals however they are written; any other as it is (Fetch standard, "normalize a method").
const NORMALIZED = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']);

function sentMethod(method: string): string {
  const upper = method.toUpperCase();
  return NORMALIZED.has(upper) ? upper : method;
}

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
function stateAttributes({ breaker, outageSince, lastFailure }: DependencySnapshot): Attributes {
  return {
    ...(breaker === null ? {} : { 'steadfetch.circuit.state': breaker.state }),
    ...(outageSince === null ? {} : { 'steadfetch.circuit.outage.since': iso(outageSince) }),
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
