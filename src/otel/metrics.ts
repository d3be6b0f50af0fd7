import type { Attributes, BatchObservableResult, Meter } from '@opentelemetry/api';

import type { CompletedEvent, FallbackEvent, Listener, SteadEvent } from '../events.ts';
import type { CircuitState } from '../model/circuit.ts';
import type { ClientSnapshot } from '../snapshot.ts';
import { type CallEnd, type CallObserver, nameOf, observe, type StartedCall } from '../telemetry.ts';
import {
  callAttributes,
  givenAttributes,
  outcomeAttributes,
  serverAttributes,
  storeErrorAttribute,
} from './attributes.ts';

// What the conventions advise for the duration of HTTP requests, in seconds.
const SECONDS = {
  explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
};

/** The value of `steadfetch.circuit.state`: the higher, the worse. */
const STATES: Readonly<Record<CircuitState, number>> = { closed: 0, 'half-open': 1, open: 2 };

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
    state: meter.createObservableGauge('steadfetch.circuit.state', {
      description: 'State of the circuit: 0 closed, 1 half-open, 2 open.',
    }),
    outage: meter.createObservableGauge('steadfetch.circuit.outage.duration', {
      description: 'For how long the circuit has not been closed; 0 while it is.',
      unit: 's',
    }),
    running: meter.createObservableGauge('steadfetch.bulkhead.running', {
      description: 'Calls that hold a slot.',
      unit: '{call}',
    }),
    runningLimit: meter.createObservableGauge('steadfetch.bulkhead.running.limit', {
      description: 'Calls that may hold a slot.',
      unit: '{call}',
    }),
    queued: meter.createObservableGauge('steadfetch.bulkhead.queued', {
      description: 'Calls that wait for a slot.',
      unit: '{call}',
    }),
    queuedLimit: meter.createObservableGauge('steadfetch.bulkhead.queued.limit', {
      description: 'Calls that may wait for a slot.',
      unit: '{call}',
    }),
    retriesAvailable: meter.createObservableGauge('steadfetch.retry.available', {
      description: 'Retries that the budget would grant now.',
      unit: '{request}',
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
  const { state, outage, running, runningLimit, queued, queuedLimit, retriesAvailable } = all;
  const gauges = [state, outage, running, runningLimit, queued, queuedLimit, retriesAvailable];
  let known = new Set<string>();
  const onCollect = (result: BatchObservableResult): void => {
    const snapshot = client.snapshot();
    const now = new Set(Object.keys(snapshot.dependencies));
    observeStates(snapshot, all, result);
    // What is not observed any more would stay as it was for good: who is forgotten is well, as far as we know.
    for (const dependency of known)
      if (!now.has(dependency)) observeGone(callAttributes({ client: name, dependency }), all, result);
    known = now;
  };
  meter.addBatchObservableCallback(onCollect, gauges);
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
    meter.removeBatchObservableCallback(onCollect, gauges);
  };
}

function observeStates(
  { name, at, dependencies }: ClientSnapshot,
  all: Instruments,
  result: BatchObservableResult,
): void {
  for (const [dependency, each] of Object.entries(dependencies)) {
    const of = callAttributes({ client: name ?? undefined, dependency });
    const { breaker, outageSince, running, maxConcurrent, queued, maxQueued, retriesAvailable } = each;
    if (breaker !== null) result.observe(all.state, STATES[breaker.state], of);
    if (breaker !== null) result.observe(all.outage, Math.max(0, at - (outageSince ?? at)) / 1_000, of);
    result.observe(all.running, running, of);
    result.observe(all.queued, queued, of);
    if (maxConcurrent !== null) result.observe(all.runningLimit, maxConcurrent, of);
    if (maxQueued !== null) result.observe(all.queuedLimit, maxQueued, of);
    if (retriesAvailable !== null) result.observe(all.retriesAvailable, retriesAvailable, of);
  }
}

function observeGone(of: Attributes, all: Instruments, result: BatchObservableResult): void {
  for (const gauge of [all.state, all.outage, all.running, all.queued]) result.observe(gauge, 0, of);
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
