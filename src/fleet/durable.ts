import { checkKeys, checkMethods, checkNumber, requireFunction, SPAN_MS } from '../checks.ts';
import { platformClock } from '../clock.ts';
import { FLEET_VERSION } from '../model/fleet.ts';
import { checkQuorum, type DurableQuestion } from './durable-question.ts';
import { EngineFleet } from './engine-fleet.ts';
import type { Fleet, FleetEngine, FleetReport } from './fleet.ts';
import { LONGEST_MS } from './record.ts';

/** What of a namespace of Durable Objects is used: a binding to {@link CircuitObject}. */
export interface CircuitNamespace {
  /** The name of the object that a dependency has. */
  idFromName(name: string): unknown;
  /** The object of that name. */
  get(id: unknown): CircuitStub;
}

/** What of one object is used. */
export interface CircuitStub {
  /** Asks the object. */
  fetch(url: string, init: CircuitRequest): Promise<CircuitAnswer>;
}

/** A question to a {@link CircuitObject}. */
export interface CircuitRequest {
  readonly method: 'POST';
  /** JSON. */
  readonly body: string;
  /** Aborts when the answer would come too late to count. */
  readonly signal: AbortSignal;
}

/** What is used of the Response that answers it. */
export interface CircuitAnswer {
  /** Whether the question made sense. */
  readonly ok: boolean;
  /** The HTTP status. */
  readonly status: number;
  /** The body: JSON. */
  text(): Promise<string>;
}

/** The options of {@link durableFleet}. */
export interface DurableFleetOptions {
  /** The binding, or a function that gives it: bindings belong to requests where they are not imported. */
  readonly namespace: CircuitNamespace | (() => CircuitNamespace);
  /**
   * Lets a question outlive the request behind which it is asked: `waitUntil` of `cloudflare:workers`. Without it, the answer
   * would be frozen with the request.
   */
  readonly waitUntil: (work: Promise<unknown>) => void;
  /**
   * How many isolates have to find a dependency down before all of them open. Default 1. With more, one whose own network is
   * broken can't take the others with it.
   */
  readonly quorum?: number;
  /**
   * How often an isolate asks for news, in ms, while it has calls for the dependency; without calls it asks nothing. Each time
   * is one request to the object. Default 5,000. While it waits for the probe of another: at least every second. `Infinity`: once,
   * and then only when it has found something out, or wants to probe.
   */
  readonly pollMs?: number;
}

// Longer than its answer counts.
const GIVE_UP_MS = 2_000;

/**
 * One opinion of each dependency, for all isolates that share a namespace of {@link CircuitObject}, of one Worker or of several:
 * `createClient({ breaker: { fleet } })`. The object is asked behind calls, and no call waits for it: when it is slow or gone, circuits
 * go on alone, say so (`fleet` events), and come back by themselves. An isolate can't be told, so news takes up to `pollMs`, and a call.
 *
 * It may be made at module scope.
 *
 * @throws TypeError or RangeError naming the option and the value.
 */
export function durableFleet(options: DurableFleetOptions): Fleet {
  checkKeys('durableFleet', options, ['namespace', 'waitUntil', 'quorum', 'pollMs']);
  const { namespace, waitUntil } = options;
  if (typeof namespace !== 'function') {
    const kind = 'a namespace of Durable Objects or a function';
    checkMethods('durableFleet.namespace', kind, namespace, ['idFromName', 'get']);
  }
  requireFunction('durableFleet.waitUntil', waitUntil);
  const quorum = checkQuorum('durableFleet.quorum', options.quorum);
  const pollMs = checkNumber('durableFleet.pollMs', options.pollMs, 5_000, SPAN_MS);
  const give = typeof namespace === 'function' ? namespace : () => namespace;
  return new EngineFleet(new DurableEngine(give, waitUntil, quorum, pollMs));
}

type Asked =
  | { readonly ask: 'read' }
  | { readonly ask: 'lease'; readonly leaseMs: number }
  | { readonly ask: 'report'; readonly report: FleetReport };

class DurableEngine implements FleetEngine {
  readonly isSilent = true;
  readonly pollMs: number;
  readonly #namespace: () => CircuitNamespace;
  readonly #waitUntil: (work: Promise<unknown>) => void;
  readonly #quorum: number;
  readonly #random: () => number;
  /** Drawn with the first question: at module scope there is no chance. */
  #id: string | undefined;

  constructor(
    namespace: () => CircuitNamespace,
    waitUntil: (work: Promise<unknown>) => void,
    quorum: number,
    pollMs: number,
    random: () => number = Math.random,
  ) {
    this.#namespace = namespace;
    this.#waitUntil = waitUntil;
    this.#quorum = quorum;
    this.pollMs = pollMs;
    this.#random = random;
  }

  report(dependency: string, report: FleetReport): Promise<unknown> {
    const bounded = 'retryAfterMs' in report ? { ...report, retryAfterMs: bound(report.retryAfterMs) } : report;
    return this.#ask(dependency, { ask: 'report', report: bounded });
  }

  lease(dependency: string, leaseMs: number): Promise<unknown> {
    return this.#ask(dependency, { ask: 'lease', leaseMs: bound(leaseMs) });
  }

  read(dependency: string): Promise<unknown> {
    return this.#ask(dependency, { ask: 'read' });
  }

  /** There is nobody to tell: between requests an isolate hears nothing. */
  subscribe(): () => void {
    return () => {};
  }

  async close(): Promise<void> {}

  #ask(dependency: string, asked: Asked): Promise<unknown> {
    this.#id ??= [this.#random(), this.#random()].map((part) => part.toString(36).slice(2, 14)).join('');
    const answer = this.#send(dependency, { by: this.#id, quorum: this.#quorum, ...asked });
    const settled = answer.catch(() => {});
    this.#waitUntil(settled);
    return answer;
  }

  async #send(dependency: string, question: DurableQuestion): Promise<unknown> {
    const namespace = this.#namespace();
    const stub = namespace.get(namespace.idFromName(`${FLEET_VERSION}:${dependency}`));
    const signal = platformClock.timeoutSignal(GIVE_UP_MS);
    const gaveUp = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    // Whatever a binding makes of the signal, the request that asked is not kept.
    return Promise.race([gaveUp, answerOf(stub, question, signal)]);
  }
}

async function answerOf(stub: CircuitStub, question: DurableQuestion, signal: AbortSignal): Promise<unknown> {
  const answer = await stub.fetch('https://fleet/', { method: 'POST', body: JSON.stringify(question), signal });
  const text = await answer.text();
  if (!answer.ok) throw new Refused(`Cannot use the object's answer: its status is ${answer.status}`);
  return JSON.parse(text);
}

class Refused extends Error {
  override readonly name = 'Refused';
}

function bound(spanMs: number): number {
  return Math.min(spanMs, LONGEST_MS);
}
