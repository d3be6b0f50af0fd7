import { follow, Scope } from './abort.ts';
import { AskAgain } from './ask-again.ts';
import { AttemptLog } from './attempt-log.ts';
import { CallLog } from './call-log.ts';
import { CallsUnderWay } from './calls-under-way.ts';
import { checkKeys, checkNumber, DELAY_MS, show } from './checks.ts';
import {
  type CallLimits,
  type ClientOptions,
  type ClientSettings,
  type FetchInit,
  type Deadline as InheritedDeadline,
  resolveCall,
  resolveClient,
} from './client-options.ts';
import type { Clock } from './clock.ts';
import { composeLayers } from './compose.ts';
import { type Dependency, dependencyOf } from './dependency.ts';
import { ClosedError, DeadlineExceededError, HttpError } from './errors.ts';
import type { Listener, SteadEvent } from './events.ts';
import { type FallbackSettings, NO_FALLBACK } from './fallback-options.ts';
import { GuardedStore } from './guarded-store.ts';
import { hedgingOf } from './hedging.ts';
import type { Answer } from './http/answer.ts';
import { BodyLeases } from './http/body.ts';
import { degradationIn } from './http/cache-status.ts';
import { type BodyReading, Call, callOf } from './http/call.ts';
import { describeRequest, type PreparedRequest, prepareRequest } from './http/request.ts';
import { sender } from './http/send.ts';
import { retryAfterMsOf, shouldRetry } from './http/verdict.ts';
import { type FallbackHost, HttpFallback } from './http-fallback.ts';
import { Invalidation } from './invalidation.ts';
import { CallContext, type Done, handOut, Layer, type Next, promised } from './layer.ts';
import type { Settled } from './model/outcome.ts';
import { AttemptTimeout } from './policies/attempt-timeout.ts';
import { Coalesce } from './policies/coalesce.ts';
import { Deadline } from './policies/deadline.ts';
import { Hedge } from './policies/hedge.ts';
import { Retry } from './policies/retry.ts';
import { Refreshes } from './refreshes.ts';
import { Registry } from './registry.ts';
import type { Result } from './result.ts';
import { SharedBody } from './shared-body.ts';
import { sharedCalls } from './shared-calls.ts';
import type { ClientSnapshot } from './snapshot.ts';
import { StoredAnswers } from './stored-answers.ts';
import { Telemetry } from './telemetry.ts';
import { timeoutsOf } from './timeouts.ts';

/** A fault-tolerant `fetch`, with state of its own per dependency. Its methods work unbound. `await using` closes it. */
export interface Client
  // AsyncDisposable, in words that a project whose `lib` has no such name understands, too: to it, this is nothing.
  extends Readonly<Record<SymbolConstructor['asyncDispose' & keyof SymbolConstructor], () => Promise<void>>> {
  /**
   * `fetch`, defended: the same signature, the same Response, the same errors while nothing fails. Can be handed to any
   * library that takes a custom fetch.
   *
   * @throws What fetch throws; the caller's `signal.reason`; {@link SteadfetchError} for what the layers refuse or end.
   */
  readonly fetch: (input: string | URL | Request, init?: FetchInit) => Promise<Response>;
  /**
   * Fetches and parses JSON. The body is read inside the attempt, so that a connection dropped in the middle of it is
   * retried and counted. No body (204, HEAD) gives `undefined`.
   *
   * @throws {@link HttpError} if the final answer is not 2xx; TypeError if its body breaks off or is not JSON; and what
   * {@link Client.fetch} throws.
   */
  readonly json: <T>(input: string | URL | Request, init?: FetchInit) => Promise<Result<T>>;
  /** The state of all dependencies as plain JSON, for a health report or for `createClient({ restore })` later. */
  readonly snapshot: () => ClientSnapshot;
  /**
   * Forgets the stored answers of one partition, or all of them; what is under way is not stored any more. Call it when a
   * user logs out. It takes as long as the store goes on with it; one that gives no sign for a minute is waited for no longer.
   *
   * @throws what the store throws: then they are not forgotten.
   */
  readonly clear: (options?: ClearOptions) => Promise<void>;
  /** Calls `listener` for each event, in order. Returns the function that stops it. */
  readonly subscribe: (listener: Listener<SteadEvent>) => () => void;
  /**
   * Refuses new and waiting calls with {@link ClosedError}, and gives running ones `drainMs` (default 10,000) before
   * they are aborted with it. Resolves when none is left. A second call waits for the first. A body is waited for by `json`, and
   * with `bulkhead.slot: "body"`: of others, only their reader sees the end.
   */
  readonly close: (options?: CloseOptions) => Promise<void>;
}

/** The options of {@link Client.clear}. */
export interface ClearOptions {
  /** Whose answers: what `fallback.partition` returned for them. Left out: everybody's. */
  readonly partition?: string;
}

/** The options of {@link Client.close}. */
export interface CloseOptions {
  /** Milliseconds that running calls get to finish. Default 10,000. */
  readonly drainMs?: number;
}

/**
 * Creates a client.
 * @inlineType ClientOptions
 * @throws TypeError or RangeError naming the option and the value, if one makes no sense.
 */
export function createClient(options?: ClientOptions): Client {
  const settings = resolveClient(options);
  const { clock } = settings.tools;
  const telemetry = new Telemetry(settings.tools, settings.fetch !== undefined);
  const dependencies = new Registry(settings, telemetry);
  const leases = new BodyLeases();
  const send = sender(settings, leases);
  const underWay = new CallsUnderWay(clock);
  const fallbackHost = hostOf();
  const { coalesce: coalesces, maxBodyBytes } = fallbackHost.settings;
  const coalesce = coalesces
    ? new Coalesce(sharedCalls(maxBodyBytes, clock, settings.propagateDeadline !== false), clock)
    : undefined;
  const deadlines = timeoutsOf(settings.limits.deadlineMs, clock);
  const attemptTimeouts = timeoutsOf(settings.limits.attemptTimeoutMs, clock);
  const sendAsUsual = layersAround(settings.limits).over(send);
  let closing: Promise<void> | undefined;

  /** The picture: outermost first, in the order in which a request meets the layers on its way to the network. */
  function layersAround(limits: CallLimits): Layer {
    const { tools } = settings;
    const { fallback, retry, hedge, deadlineMs, attemptTimeoutMs } = limits;
    const isOwn = limits !== settings.limits;
    const remembers = fallbackHost.answers !== undefined || coalesce !== undefined;
    return composeLayers([
      remembers && new Invalidation(fallbackHost, coalesce),
      fallback !== false && new HttpFallback(fallback, fallbackHost),
      new CallLog(settings, telemetry),
      deadlineMs < Infinity && new Deadline(deadlineMs, tools, isOwn ? undefined : deadlines),
      fallbackHost.answers && new AskAgain(leases),
      // Calls that ask for limits of their own share with none.
      !isOwn && coalesce,
      settings.bulkhead !== false && new OfDependency(({ bulkhead }) => bulkhead),
      settings.breaker !== false && new OfDependency(({ breaker }) => breaker),
      retry !== false &&
        new Retry(retry, tools, {
          budgetFor: (context) => dependencyOf(callOf(context)).budget,
          shouldRetry: (result, attempt, context) => shouldRetry(result, attempt, context, retry),
          retryAfterMsOf: (result) => retryAfterMsOf(result, clock.epochNow()),
          mayGoOn: (context) => dependencyOf(callOf(context)).breaker?.closed !== false,
          onRetry(attempt, delayMs, retryAfterMs, context) {
            const call = callOf(context);
            if (!telemetry.hears(call)) return;
            const asked = retryAfterMs === undefined ? {} : { retryAfterMs };
            const of = { call: call.id, dependency: call.dependency.key, at: clock.epochNow() };
            const number = attempt + (call.hedges ?? 0) + call.attemptsBefore;
            telemetry.tell(call, { type: 'retry', ...of, attempt: number, delayMs, ...asked });
          },
          discard: (value) => leases.discard(value),
        }),
      hedge !== false && new Hedge(hedge, tools, hedgingOf(settings, hedge, retry, leases)),
      settings.breaker !== false && settings.breaker.counts === 'attempts' && new OfDependency((it) => it.attempts),
      new AttemptLog(settings, telemetry),
      coalesce && new SharedBody(maxBodyBytes, clock),
      attemptTimeoutMs < Infinity && new AttemptTimeout(attemptTimeoutMs, tools, isOwn ? undefined : attemptTimeouts),
    ]);
  }

  /** What the fallback needs of the client, with a store or without. */
  function hostOf(): FallbackHost {
    const ofFallback = settings.fallback === false ? NO_FALLBACK : settings.fallback;
    const { store, storeTimeoutMs } = ofFallback;
    return {
      tools: settings.tools,
      settings: ofFallback,
      answers: store && new StoredAnswers(new GuardedStore(store, clock, storeTimeoutMs), ofFallback, clock),
      refreshes: new Refreshes(),
      telemetry,
      discard: (answer) => leases.discard(answer),
      behind: async (first, work) => {
        const { request, limits, owner, era } = first;
        const dependency = dependencyOf(first);
        const call = new Call(request.withoutSignal, dependency, limits, ofFallback.maxBodyBytes);
        Object.assign(call, { owner, era });
        telemetry.start(call, true);
        const scope = new Scope();
        const now = clock.now();
        if (closing !== undefined) scope.abort(new ClosedError({ dependency: dependency.key }));
        const place = underWay.enter(scope, dependency, now + longestMs(limits, ofFallback), now);
        try {
          await work(new CallContext(scope, { call, dependency: dependency.key, lease: leases.hold }));
        } finally {
          telemetry.end(call, { value: undefined }, scope);
          underWay.leave(place);
        }
      },
    };
  }

  /** @throws what is wrong with its arguments: no call is made. */
  function run<R>(
    input: string | URL | Request,
    init: FetchInit | undefined,
    reads: BodyReading,
    done: Done<Answer, R>,
  ): R | Promise<R> {
    const known =
      settings.isolateBy === undefined && typeof input === 'string' ? dependencies.findFor(input) : undefined;
    const request = prepareRequest(input, init, settings.fetch !== undefined, known !== undefined);
    const limits = init === undefined ? settings.limits : resolveCall(settings, init);
    const dependency = known ?? dependencies.get(nameFor(request, settings.isolateBy));
    const { signal } = request;
    signal?.throwIfAborted();

    const call = new Call(request, dependency, limits, reads, init);
    call.era = fallbackHost.answers?.era ?? 0;
    const scope = new Scope();
    const now = clock.now();
    const deadlineAt = now + keepDeadline(init?.deadline, scope, call, dependency, clock);
    if (signal !== undefined) call.finally(follow(signal, scope));
    if (closing !== undefined) scope.abort(new ClosedError({ dependency: dependency.key }));

    const caller = { call, dependency: dependency.key, lease: leases.hold };
    const context = new CallContext(scope, caller, 1, { deadlineAt }, undefined, now, clock);
    telemetry.start(call, false);
    const lastAt = Math.min(deadlineAt, now + longestMs(limits, fallbackHost.settings));
    const place = underWay.enter(scope, dependency, lastAt, now);
    // Overrides get layers of their own around the dependency's state; everybody else shares them.
    const sends = limits === settings.limits ? sendAsUsual : layersAround(limits).over(send);
    return sends(context, (sent) => {
      const result = reads === 'none' ? sent : orHttpError(sent, dependency);
      telemetry.end(call, result, scope);
      // Nobody gets the Response: a hook of the user's threw, say.
      const { answer } = call;
      if ('error' in sent && answer !== undefined) leases.discard(answer);
      // What waits for the body's end below must not be what keeps it.
      call.answer = undefined;
      underWay.leave(place, answer?.streamed);
      // The caller's signal, and whatever the request hangs on, matter until the body has been read.
      if (call.end !== undefined) context.closeAfter(sent, call.end);
      return done(result);
    });
  }

  function drain(drainMs: number): Promise<void> {
    // Waiting calls first: they have lost nothing yet.
    for (const { bulkhead } of dependencies) bulkhead?.close();
    return underWay.drain(drainMs);
  }

  async function clear(options: ClearOptions = {}): Promise<void> {
    checkKeys('clear', options, ['partition']);
    const { partition } = options;
    if (partition !== undefined && typeof partition !== 'string') {
      throw new TypeError(`clear.partition must be a string, got ${show(partition)}`);
    }
    // Whoever comes from now on must not be given what was asked for by whoever has left.
    const part = (): void => coalesce?.part();
    part();
    await fallbackHost.answers?.clear(partition);
    part();
  }

  async function close(options: CloseOptions = {}): Promise<void> {
    checkKeys('close', options, ['drainMs']);
    const drainMs = checkNumber('close.drainMs', options.drainMs, 10_000, DELAY_MS);
    closing ??= drain(drainMs);
    await closing;
    dependencies.leaveFleet();
  }

  return telemetry.of({
    // A null init is none, as for fetch itself.
    fetch: (input, init) => promised(() => run(input, init ?? undefined, 'none', responseOf)),
    json: async <T>(input: string | URL | Request, init?: FetchInit): Promise<Result<T>> => {
      const { response, value } = await run(input, init ?? undefined, 'json', handOut<Answer>);
      const degraded = degradationIn(response);
      if (degraded === undefined) return { value: value as T, degraded: false, response };
      return { value: value as T, degraded: true, degradation: degraded, response };
    },
    snapshot: () => ({
      name: settings.tools.name ?? null,
      at: clock.epochNow(),
      dependencies: Object.fromEntries([...dependencies].map((each) => [each.key, each.snapshot()])),
    }),
    subscribe: (listener) => telemetry.events.subscribe(listener),
    clear,
    close,
    [Symbol.asyncDispose]: () => close(),
  });
}

/** The layer that a call's dependency has for itself: one set of layers is for all of them. */
class OfDependency extends Layer {
  readonly #layerOf: (dependency: Dependency) => Layer | undefined;

  constructor(layerOf: (dependency: Dependency) => Layer | undefined) {
    super();
    this.#layerOf = layerOf;
  }

  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    const layer = this.#layerOf(dependencyOf(callOf(context)));
    return layer === undefined ? next(context, done) : layer.around(next, context, done);
  }
}

function responseOf(result: Settled<Answer>): Response | Promise<Response> {
  return 'error' in result ? Promise.reject(result.error) : result.value.response;
}

function orHttpError(result: Settled<Answer>, { key: dependency }: Dependency): Settled<Answer> {
  if ('error' in result || result.value.response.ok) return result;
  return { error: new HttpError(result.value.response, { dependency }) };
}

/** How long a call can take by itself: around its deadline, a store is asked, and `respond` has as long again. */
function longestMs({ deadlineMs, fallback }: CallLimits, { storeTimeoutMs }: FallbackSettings): number {
  if (fallback === false) return deadlineMs;
  const storeMs = Math.min(storeTimeoutMs * MOST_STORE_OPERATIONS, LONGEST_STORE_MS);
  return deadlineMs * (fallback.respond === undefined ? 1 : 2) + storeMs;
}

// One after the other: before it and after it, it is waited for what is being stored, asked, and told to delete what is none.
const MOST_STORE_OPERATIONS = 6;
const LONGEST_STORE_MS = 120_000;

/** Where a request's state is kept. */
function nameFor(request: PreparedRequest, isolateBy: ClientSettings['isolateBy']): string {
  const { url } = request;
  if (isolateBy === undefined) {
    if (url === undefined) return RELATIVE;
    // The origin of file:, data: and the like is "null": they have nothing in common but that.
    return url.origin === 'null' ? url.protocol : url.origin;
  }
  const key = isolateBy(describeRequest(request));
  if (typeof key !== 'string') throw new TypeError(`isolateBy must return a string, got ${show(key)}`);
  return key;
}

// What a relative URL goes to is known only to the fetch that the user gave: to that one, it is one place.
const RELATIVE = 'relative';

/** Ends the call with the deadline it inherits, and answers how long that is, in ms. */
function keepDeadline(
  deadline: InheritedDeadline | undefined,
  scope: Scope,
  call: Call,
  dependency: Dependency,
  clock: Clock,
): number {
  if (deadline === undefined) return Infinity;
  const { signal } = deadline;
  const remainingMs: unknown = deadline.remainingMs();
  if (typeof remainingMs !== 'number' || Number.isNaN(remainingMs)) {
    throw new TypeError(`init.deadline.remainingMs() must return a number, got ${show(remainingMs)}`);
  }
  const end = (): void => {
    call.pastDue = true;
    const options = { dependency: dependency.key, cause: signal.reason };
    scope.abort(new DeadlineExceededError(Math.max(0, remainingMs), options));
  };
  if (remainingMs <= 0 || signal.aborted) end();
  else {
    call.finally(follow(signal, end));
    // Whichever comes first: what is left is a promise, too.
    const cancel = clock.schedule(remainingMs, end);
    cancel.unref?.();
    call.finally(cancel);
  }
  return remainingMs;
}
