import { kept } from '../abort.ts';
import type { CallLimits, CallOptions } from '../client-options.ts';
import type { FailureKind } from '../events.ts';
import { type CallContext, close, type Ending } from '../layer.ts';
import type { Outcome } from '../model/outcome.ts';
import type { Following } from '../telemetry.ts';
import type { Answer } from './answer.ts';
import { PreparedRequest } from './request.ts';

/** What of a good answer's body is read inside the attempt: nothing, all of it as JSON, or its bytes, up to a number. */
export type BodyReading = 'none' | 'json' | number;

/** What a call says of stored answers. */
export type CallStorage = Pick<CallOptions, 'partition' | 'waitUntil' | 'deadline'>;

/** What is known of one of several attempts side by side. */
export interface InRace {
  /** The call that all of them are of. */
  readonly call: Call;
  readonly isHedge: boolean;
  /** Whether it was given up, for another was answered. */
  isOutrun: boolean;
}

const ALONE = (): number => 1;
const NO_STORAGE: CallStorage = {};
const NOBODY: readonly Following[] = [];

/** One use of our fetch: the request, its limits, and what has become of it so far. */
export class Call {
  /** See {@link Scope.kept}. */
  static readonly kept: Call = /* @__PURE__ */ kept(
    () => new Call(PreparedRequest.kept, undefined as never, {} as CallLimits, 'none'),
  );

  readonly request: PreparedRequest;
  /** Whom it goes to: what else there is of it, the client knows. */
  readonly dependency: { readonly key: string };
  readonly limits: CallLimits;
  readonly reads: BodyReading;
  readonly storage: CallStorage;
  /** Its number in the client. */
  id = 0;
  /** Who sees it from inside. */
  followers: readonly Following[] = NOBODY;
  /** Whose data its answer is, by name; `undefined` if nobody can tell. */
  owner: string | undefined;
  /** How often everything had been forgotten when it began. */
  era = 0;
  /** Headers that are sent beside the caller's. */
  headers: Readonly<Record<string, string>> | undefined;
  /** Whether a 304 is about what is kept, where it was asked for on condition of that. */
  declare confirms?: (response: Response) => boolean;
  /** Headers that its followers want to be sent with the attempt. */
  attached: Readonly<Record<string, string>> | undefined;
  /** How long it has waited for a slot. */
  queuedMs = 0;
  /** When the last attempt was sent, in ms since the Unix epoch. */
  sentAt = 0;
  attempts = 0;
  /** How many of them were for what was asked before: see AskAgain. */
  attemptsBefore = 0;
  /** How many of them were sent beside another; `undefined`, as the next, in the many calls that have none. */
  declare hedges?: number;
  /** What it is if it stands for one attempt of a call, beside which there may be others. */
  declare race?: InRace;
  /** How the last attempt ended. */
  outcome: Outcome = 'ignored';
  status: number | undefined;
  failure: FailureKind | undefined;
  /** Whether one of its attempts was a failure. */
  hasFailed = false;
  /** Whether one of its attempts was turned away, or timed out. */
  wasDropped = false;
  /** Whether the deadline that it inherited is over. */
  pastDue = false;
  /** How many wait for its answer. */
  callers: () => number = ALONE;
  /** The number of the call whose attempts it shared. */
  joined: number | undefined;
  /** Whether it was given what another call asked for, which notes and stores it. */
  follows = false;
  /** What the last attempt that was answered was given. */
  answer: Answer | undefined;
  /** Whether the attempt under way has its headers. */
  hasHeaders = false;
  /** What is to be cleaned up, if there is anything. */
  end: Ending | undefined;

  constructor(
    request: PreparedRequest,
    dependency: Call['dependency'],
    limits: CallLimits,
    reads: BodyReading,
    storage: CallStorage = NO_STORAGE,
  ) {
    this.request = request;
    this.dependency = dependency;
    this.limits = limits;
    this.reads = reads;
    this.storage = storage;
  }

  /** This call, for one attempt beside others: what becomes of that is its own until the call takes it over. */
  runner(isHedge: boolean): Call {
    const { request, dependency, limits, reads, storage, id, followers, owner, era, headers, callers } = this;
    const { attemptsBefore } = this;
    this.attempts += 1;
    if (isHedge) this.hedges = (this.hedges ?? 0) + 1;
    const race: InRace = { call: this, isHedge, isOutrun: false };
    const runner = new Call(request, dependency, limits, reads, storage);
    return Object.assign(runner, { id, followers, owner, era, headers, callers, race, attemptsBefore });
  }

  takeOver({ outcome, status, failure, sentAt, answer }: Call): void {
    Object.assign(this, { outcome, status, failure, sentAt, answer });
  }

  /** Has it closed when nothing of the call, its body included, is under way any more: by whoever closes {@link Call.end}. */
  finally(ending: Ending): void {
    this.end = this.end === undefined ? ending : both(this.end, ending);
  }
}

function both(first: Ending, second: Ending): Ending {
  return () => {
    close(first);
    close(second);
  };
}

/** The call that a layer's hook is asked about. */
export function callOf(context: CallContext): Call {
  return context.caller.call as Call;
}
