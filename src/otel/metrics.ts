import type { Attributes, Meter } from '@opentelemetry/api';

import type { CompletedEvent, FallbackEvent, Listener, SteadEvent } from '../events.ts';
import type { ClientSnapshot } from '../snapshot.ts';
import { type CallEnd, type CallObserver, nameOf, observe, type StartedCall } from '../telemetry.ts';
import {
  callAttributes,
  givenAttributes,
  outcomeAttributes,
  serverAttributes,
  storeErrorAttribute,
} from './attributes.ts';
import { gauge } from './gauges.ts';

// What the conventions advise for the duration of HTTP requests, in seconds.
const SECONDS = {
  explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
};

type Instruments = ReturnType<typeof instruments>;

function instruments(meter: Meter) {
  return {
    requestDuration: meter.createHistogram('http.client.request.duration', {
      description: 'Duration of HTTP client requests: each attempt is one.',
      unit: 's',
      advice: SECONDS,
    }),
    activeRequests: meter.createUpDownCounter('http.client.active_requests', {
      description: 'Attempts under way.',
      unit: '{request}',
    }),
    resends: meter.createCounter('http.request.resend_count', {
      description: 'Attempts that were sent again.',
      unit: '{request}',
    }),
    callDuration: meter.createHistogram('steadfetch.call.duration', {
      description: 'Duration of calls, with waits and retries, by what the caller was given.',
      unit: 's',
      advice: SECONDS,
    }),
    queueDuration: meter.createHistogram('steadfetch.queue.duration', {
      description: 'How long calls waited for a slot, of those that had to.',
      unit: 's',
      advice: SECONDS,
    }),
    rejections: meter.createCounter('steadfetch.rejections', {
      description: 'Calls refused without touching the network, by the code of the error.',
      unit: '{call}',
    }),
    fallbacks: meter.createCounter('steadfetch.fallback.answers', {
      description: 'Answers from the store or by default.',
      unit: '{answer}',
    }),
    revalidations: meter.createCounter('steadfetch.fallback.revalidations', {
      description: 'Stored answers that were asked for again, by what came of it.',
      unit: '{request}',
    }),
    storeErrors: meter.createCounter('steadfetch.store.errors', {
      description: 'What the store did not do.',
      unit: '{operation}',
    }),
    transitions: meter.createCounter('steadfetch.circuit.transitions', {
      description: 'Changes of the state of circuits.',
      unit: '{transition}',
    }),
  };
}

/** What measuring needs of a client. */
export interface MeasuredClient {
  /** The state of all dependencies. */
  readonly snapshot: () => ClientSnapshot;
  /** Has `listener` hear of events, until the function that it returns is called. */
  readonly subscribe: (listener: Listener<SteadEvent>) => () => void;
}

/** Measures what a client does. Returns the function that ends it. */
export function measure(client: MeasuredClient, meter: Meter): () => void {
  // First: it throws for what is no client, and nothing is set up yet. A snapshot would restore the client, too early on Workers.
  const name = nameOf(client);
  const all = instruments(meter);
  const stopGauging = gauge(client, meter);
  const unsubscribe = client.subscribe((event) => {
    // What is of no call.
    const { type, dependency } = event;
    if (type !== 'transition' && type !== 'store-error') return;
    const of = callAttributes({ client: name, dependency });
    if (type === 'transition') {
      const { from, to } = event;
      all.transitions.add(1, {
        ...of,
        'steadfetch.circuit.from': from,
        'steadfetch.circuit.to': to,
      });
    } else {
      const { operation, reason } = event;
      all.storeErrors.add(1, {
        ...of,
        'steadfetch.store.operation': operation,
        'error.type': storeErrorAttribute(reason),
      });
    }
  });
  const unobserve = observe(client, (call) => new MeasuredCall(call, all));
  return () => {
    unobserve();
    unsubscribe();
    stopGauging();
  };
}

class MeasuredCall implements CallObserver {
  readonly #call: StartedCall;
  readonly #instruments: Instruments;
  readonly #server: Attributes;
  readonly #own: Attributes;
  #fallback: FallbackEvent | undefined;
  #completed: CompletedEvent | undefined;

  constructor(call: StartedCall, all: Instruments) {
    this.#call = call;
    this.#instruments = all;
    this.#own = callAttributes(call);
    this.#server = { ...serverAttributes(call), ...this.#own };
  }

  onAttempt(attempt: number): undefined {
    this.#instruments.activeRequests.add(1, this.#server);
    if (attempt > 1) this.#instruments.resends.add(1, this.#server);
  }

  onEvent(event: SteadEvent): void {
    const all = this.#instruments;
    if (event.type === 'attempt') {
      all.activeRequests.add(-1, this.#server);
      all.requestDuration.record(event.durationMs / 1_000, { ...this.#server, ...outcomeAttributes(event) });
    } else if (event.type === 'rejected') all.rejections.add(1, { ...this.#own, 'error.type': event.code });
    else if (event.type === 'completed') {
      this.#completed = event;
      if (event.queuedMs > 0) all.queueDuration.record(event.queuedMs / 1_000, this.#own);
    } else if (event.type === 'fallback') {
      this.#fallback = event;
      const { source, degraded, reason } = event;
      all.fallbacks.add(1, {
        ...this.#own,
        'steadfetch.answer': source,
        'steadfetch.degraded': degraded,
        ...(reason === undefined ? {} : { 'error.type': reason }),
      });
    } else if (event.type === 'revalidated') {
      const { background, result } = event;
      all.revalidations.add(1, {
        ...this.#own,
        'steadfetch.background': background,
        'steadfetch.revalidation': result,
      });
    }
  }

  onEnd(end: CallEnd): void {
    if (this.#call.background) return;
    this.#instruments.callDuration.record(end.durationMs / 1_000, {
      ...this.#own,
      'http.request.method': this.#server['http.request.method'],
      ...givenAttributes(end, this.#fallback, this.#completed),
    });
  }
}
