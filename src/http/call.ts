import type { CallLimits } from '../client-options.ts';
import type { FailureKind } from '../events.ts';
import type { CallContext } from '../layer.ts';
import type { Outcome } from '../model/outcome.ts';
import type { Answer } from './answer.ts';
import type { PreparedRequest } from './request.ts';

/** One use of our fetch: the request, its limits, and what has become of it so far. */
export class Call {
  readonly request: PreparedRequest;
  readonly limits: CallLimits;
  /** Whether the body is to be read inside the attempt. */
  readonly readsBody: boolean;
  attempts = 0;
  /** How the last attempt ended. */
  outcome: Outcome = 'ignored';
  status: number | undefined;
  failure: FailureKind | undefined;
  /** Whether the deadline that it inherited is over. */
  pastDue = false;
  /** What the last attempt that was answered was given. */
  answer: Answer | undefined;
  /** Whether the attempt under way has its headers. */
  hasHeaders = false;
  readonly #cleanUps: (() => void)[] = [];

  constructor(request: PreparedRequest, limits: CallLimits, readsBody: boolean) {
    this.request = request;
    this.limits = limits;
    this.readsBody = readsBody;
  }

  /** Has `cleanUp` run when nothing of the call, its body included, is under way any more. */
  finally(cleanUp: () => void): void {
    this.#cleanUps.push(cleanUp);
  }

  end(): void {
    for (const cleanUp of this.#cleanUps.splice(0)) cleanUp();
  }
}

/** The call that a layer's hook is asked about. */
export function callOf(context: CallContext): Call {
  return context.caller.call as Call;
}
