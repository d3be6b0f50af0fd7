import { show } from './checks.ts';
import { type Dependency, dependencyOf } from './dependency.ts';
import { ClosedError, HttpError } from './errors.ts';
import { type FallbackEvent, type RevalidatedEvent, reportThrown } from './events.ts';
import { Exchange, keepAlive } from './exchange.ts';
import type { FallbackRules, FallbackSettings } from './fallback-options.ts';
import type { StoreErrorListener } from './guarded-store.ts';
import { Answer, parseJson, readJson } from './http/answer.ts';
import { defaultStatus, storedStatus } from './http/cache-status.ts';
import { type CacheUse, cacheUseOf, isRead } from './http/cache-use.ts';
import { type Call, callOf } from './http/call.ts';
import { isOffline } from './http/online.ts';
import { describeRequest } from './http/request.ts';
import { toResponse } from './http/stored-response.ts';
import { httpResult } from './http/verdict.ts';
import { AsyncLayer, type AsyncNext, type CallContext, promising, raced, unlessAborted, whenThere } from './layer.ts';
import { freshnessOf } from './model/freshness.ts';
import type { Settled } from './model/outcome.ts';
import type { Tools } from './options.ts';
import { Deadline } from './policies/deadline.ts';
import { fallBack } from './policies/fallback.ts';
import type { Refreshes } from './refreshes.ts';
import { reasonOf } from './result.ts';
import { answerId, type Kept, ownerOf, type Place, type StoredAnswers } from './stored-answers.ts';
import type { Telemetry } from './telemetry.ts';

/** What all fallback layers of a client share. */
export interface FallbackHost {
  readonly tools: Tools;
  readonly settings: FallbackSettings;
  /** `undefined` if there is no store. */
  readonly answers: StoredAnswers | undefined;
  readonly refreshes: Refreshes;
  /** Runs `work` as a call of its own, for the same request and without its caller. */
  readonly behind: (call: Call, work: (context: CallContext) => Promise<void>) => Promise<void>;
  readonly telemetry: Telemetry;
  /** Frees an answer that is not handed out. */
  readonly discard: (answer: Answer) => void;
}

/** A call whose answer may be stored, and where. */
interface Question {
  readonly call: Call;
  readonly use: CacheUse;
  readonly place: Place;
  readonly answers: StoredAnswers;
  readonly onStoreError: StoreErrorListener;
  readonly next: AsyncNext<Answer>;
}

// How long a call waits for an answer that is just being stored, before it asks the network too.
const BEING_STORED_MS = 50;
// When a refresh counts as lost that has no deadline.
const LONGEST_REFRESH_MS = 120_000;

/**
 * The table of DESIGN section 5: a fresh stored answer in place of the network's, a stale one while it is refreshed and,
 * when the network fails, a stored one or the caller's default.
 */
export class HttpFallback extends AsyncLayer {
  readonly #rules: FallbackRules;
  readonly #host: FallbackHost;

  constructor(rules: FallbackRules, host: FallbackHost) {
    super();
    this.#rules = rules;
    this.#host = host;
  }

  async enclose<T>(next: AsyncNext<T>, context: CallContext): Promise<T> {
    // Over before it began: whoever notes calls is to hear of it.
    if (context.scope.aborted) return next(context);
    // Only pipelines of the client have this layer, and they resolve to an Answer.
    return (await this.#answer(next as AsyncNext<unknown> as AsyncNext<Answer>, context)) as T;
  }

  async #answer(next: AsyncNext<Answer>, context: CallContext): Promise<Answer> {
    const call = callOf(context);
    const { request, storage } = call;
    const { answers, settings } = this.#host;
    if (!isRead(request)) return next(context);
    call.owner = ownerOf(request, storage.partition, settings.partition);
    const use = cacheUseOf(request);
    if (answers === undefined || use === undefined) return this.#orDefault(next, context);
    const place = await unlessAborted(context.scope, answers.placeOf(request, call.owner));
    if (place === undefined) return this.#orDefault(next, context);
    const onStoreError = storeErrors(dependencyOf(call), this.#host);
    const question: Question = { call, use, place, answers, onStoreError, next };
    const kept = await unlessAborted(context.scope, this.#find(question, BEING_STORED_MS, 'serving'));
    return this.#known(kept, question) ?? this.#ask(kept, question, context);
  }

  /** What is stored, if the network need not be asked. */
  #known(kept: Kept | undefined, question: Question): Answer | undefined {
    if (kept === undefined) return undefined;
    const stored = kept.ageMs <= question.use.maxAgeMs ? this.#withoutWaiting(kept, question) : undefined;
    return stored ?? this.#offline(kept, question.call);
  }

  /** What is stored, at once, where it is known that the network would fail. */
  #offline(kept: Kept, call: Call): Answer | undefined {
    if (!isOffline() || freshnessOf(kept.ageMs, kept.lifetimes) === 'expired') return undefined;
    return this.#stored(kept, call, 'offline');
  }

  /** The first two rows of the table. */
  #withoutWaiting(kept: Kept, question: Question): Answer | undefined {
    const { call, place } = question;
    const freshness = freshnessOf(kept.ageMs, kept.lifetimes);
    if (freshness === 'fresh') return this.#stored(kept, call);
    if (freshness !== 'refresh') return undefined;
    const answer = this.#stored(kept, call, this.#host.refreshes.failureOf(answerId(place, kept.stored)));
    if (answer !== undefined) this.#refresh(kept, question);
    return answer;
  }

  /** Behind the caller, through the layers, one at a time; whatever comes of it is nobody's error. */
  #refresh(kept: Kept, question: Question): void {
    const { call, place, next } = question;
    const { refreshes, tools, behind } = this.#host;
    const id = answerId(place, kept.stored);
    const now = tools.clock.now();
    const longestMs = Math.min(call.limits.deadlineMs, LONGEST_REFRESH_MS);
    const lostAt = now + longestMs + 1_000;
    if (!refreshes.start(id, now, lostAt)) return;
    const exchange = this.#exchange(question);
    const refresh = async (context: CallContext): Promise<void> => {
      try {
        const { answer, result, status } = await exchange.ask(next, context, kept);
        if (result === 'failed') refreshes.failed(id, `status-${status}`);
        else refreshes.succeeded(id);
        this.#tellRevalidated(callOf(context), true, result, status);
        if (answer !== undefined && answer.bytes === undefined) this.#host.discard(answer);
        await exchange.writing.done;
      } catch (error) {
        refreshes.failed(id, reasonOf(error, 'network'));
        this.#tellRevalidated(callOf(context), true, 'failed');
      } finally {
        exchange.close();
        refreshes.end(id, lostAt);
      }
    };
    keepAlive(call, behind(call, refresh));
  }

  /** The rest of the table. */
  async #ask(kept: Kept | undefined, question: Question, context: CallContext): Promise<Answer> {
    const { call, use, place, answers, next } = question;
    const { refreshes } = this.#host;
    const exchange = this.#exchange(question);
    const asked: AsyncNext<Answer> = async (inside) => {
      const exchanged = await exchange.ask(next, inside, use.mayBeConfirmed ? kept : undefined);
      const { answer, renewed, result, status } = exchanged;
      if (result !== 'failed') {
        if (kept !== undefined) this.#tellRevalidated(call, false, result, status);
        for (const each of [kept?.stored, exchanged]) if (each) refreshes.succeeded(answerId(place, each));
      }
      // One that was confirmed could be read before it was asked about.
      return (renewed === undefined ? answer : this.#stored(answers.judge(renewed, this.#rules), call)) as Answer;
    };
    try {
      return await fallBack(asked, context, {
        isFailure,
        recover: async (result) => {
          const { storeTimeoutMs } = this.#host.settings;
          const found = await unlessAborted(context.scope, this.#find(question, storeTimeoutMs, 'all'));
          // What was read before the call is as good, if nothing has outdated it since.
          const usable = found ?? (exchange.writing.outdated || exchange.writing.isGone ? undefined : kept);
          const isUsable = usable !== undefined && freshnessOf(usable.ageMs, usable.lifetimes) !== 'expired';
          const answer = isUsable ? this.#stored(usable, call, reasonFor(result)) : undefined;
          return answer === undefined ? this.#default(result, context) : this.#instead(result, answer);
        },
      });
    } finally {
      exchange.close();
    }
  }

  #orDefault(next: AsyncNext<Answer>, context: CallContext): Promise<Answer> {
    return fallBack(next, context, { isFailure, recover: (result) => this.#default(result, context) });
  }

  #find(
    { use, place, answers, onStoreError }: Question,
    waitMs: number,
    which: 'all' | 'serving',
  ): Kept | undefined | Promise<Kept | undefined> {
    return whenThere(answers.beStored(place, waitMs, which), () =>
      whenThere(answers.find(place, this.#rules, onStoreError), (kept) =>
        kept?.stored.redirected === true && !use.follows ? undefined : kept,
      ),
    );
  }

  /** A stored answer as one for this call; `undefined` if it is of no use to it. */
  #stored({ stored, ageMs, lifetimes }: Kept, call: Call, reason?: string): Answer | undefined {
    let value: unknown;
    try {
      if (call.reads === 'json' && stored.body !== null) value = parseJson(stored.body);
    } catch {
      return undefined;
    }
    this.#tellAnswered(call, 'cache', ageMs, reason);
    return new Answer(toResponse(stored, ageMs, storedStatus(lifetimes.freshMs - ageMs, reason)), value);
  }

  /** The caller's answer of last resort. */
  async #default(result: Settled<Answer>, context: CallContext): Promise<{ readonly value: Answer } | undefined> {
    const { respond } = this.#rules;
    if (respond === undefined) return undefined;
    const call = callOf(context);
    const { response, error } = httpResult(result);
    const thrown = response === undefined ? error : new HttpError(response, { dependency: call.dependency.key });
    const reason = reasonFor(result);
    const ask = async (): Promise<Answer | undefined> => {
      const given = await respond(describeRequest(call.request), thrown);
      if (given === undefined) return undefined;
      const marked = withCacheStatus(given, defaultStatus(reason));
      return call.reads === 'json' ? readJson(marked, call.request.method) : new Answer(marked);
    };
    // It has as long as a call may take: a default that hangs is none.
    const limit = new Deadline(call.limits.deadlineMs, this.#host.tools);
    try {
      const answer = await promising(limit.over(raced(ask)))(context);
      if (answer === undefined) return undefined;
      this.#tellAnswered(call, 'default', 0, reason);
      return this.#instead(result, answer);
    } catch (error) {
      if (context.scope.aborted) throw context.scope.reason;
      reportThrown('fallback.respond', error);
      return undefined;
    }
  }

  #instead(result: Settled<Answer>, answer: Answer): { readonly value: Answer } {
    if ('value' in result) this.#host.discard(result.value);
    return { value: answer };
  }

  #exchange({ call, place, answers, onStoreError }: Question): Exchange {
    const deadlineAt = this.#host.tools.clock.now() + call.limits.deadlineMs;
    return new Exchange(answers.open(place, deadlineAt, call.era), answers, this.#rules, onStoreError);
  }

  #tellAnswered(call: Call, source: FallbackEvent['source'], ageMs: number, reason: string | undefined): void {
    const { telemetry, tools } = this.#host;
    const { counters, key: dependency } = dependencyOf(call);
    const degraded = reason !== undefined;
    counters[source === 'cache' ? 'stored' : 'defaults'] += 1;
    if (degraded) counters.degraded += 1;
    if (!telemetry.hears(call)) return;
    telemetry.tell(call, {
      type: 'fallback',
      call: call.id,
      dependency,
      at: tools.clock.epochNow(),
      source,
      degraded,
      ageMs: Math.max(0, ageMs),
      ...(degraded ? { reason } : {}),
    });
  }

  #tellRevalidated(call: Call, background: boolean, result: RevalidatedEvent['result'], status?: number): void {
    const { telemetry, tools } = this.#host;
    if (!telemetry.hears(call)) return;
    telemetry.tell(call, {
      type: 'revalidated',
      call: call.id,
      dependency: call.dependency.key,
      at: tools.clock.epochNow(),
      background,
      result,
      ...(status === undefined ? {} : { status }),
    });
  }
}

/** Tells whoever listens that the store failed a dependency. */
export function storeErrors({ key: dependency }: Dependency, { telemetry, tools }: FallbackHost): StoreErrorListener {
  return (operation, reason) => {
    if (!telemetry.events.active) return;
    telemetry.events.emit({ type: 'store-error', dependency, at: tools.clock.epochNow(), operation, reason });
  };
}

/** A refusal on `close()` is none: the client is not to answer any more. */
function isFailure(result: Settled<Answer>): boolean {
  return 'error' in result ? !(result.error instanceof ClosedError) : result.value.response.status >= 500;
}

function reasonFor(result: Settled<Answer>): string {
  return 'error' in result ? reasonOf(result.error, 'network') : `status-${result.value.response.status}`;
}

/** @throws TypeError if it is no Response that can be handed out. */
function withCacheStatus(given: Response, cacheStatus: string): Response {
  if (typeof given?.clone !== 'function') {
    throw new TypeError(`fallback.respond must return a Response, got ${show(given)}`);
  }
  // A copy of its body: it may be the failure's own, or one Response for all calls.
  const { status, statusText, body, headers: own } = given.clone();
  const headers = new Headers(own);
  headers.append('cache-status', cacheStatus);
  return new Response(body, { status, statusText, headers });
}
