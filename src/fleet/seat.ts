import type { Cancel } from '../clock.ts';
import type { FleetReport, FleetState } from '../model/fleet.ts';
import type { FleetEngine, FleetMember, FleetSeat } from './fleet.ts';
import { parseLease, parseState } from './message.ts';

// How long an engine may take for an answer that is to count.
const ENGINE_MS = 1_000;
// How long it is left alone after it has failed: doubled each time, up to so much.
const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 30_000;
// How often an engine is asked that tells nothing by itself, while somebody else's probe is awaited: it is short.
const PROBE_POLL_MS = 1_000;
// How many times as long as its patience a circuit is open by nothing but what others say: then it looks for itself.
const TRUST = 30;
// How often it is looked whether an engine can be reached again.
const UNREACHABLE_MS = 1_000;
// A message that is so far ahead of what was known is asked about, and not believed.
const FAR = 1_000;

/**
 * One circuit's place in the fleet. It knows what was last heard, and answers from that: the engine is asked behind the
 * caller's back, and what it says may come late, twice, in any order, or never. Then it is as if there were no fleet.
 */
export class Seat implements FleetSeat {
  readonly #engine: FleetEngine;
  readonly #member: FleetMember;
  readonly #unsubscribe: () => void;
  /** The last that was believed. */
  #known: FleetState | undefined;
  /** What was known when the circuit opened. */
  #basis: FleetState | undefined;
  #token: number | undefined;
  /** On this instance's clock: until when the lease holds, and until when it is known not to be had. */
  #leaseUntil = 0;
  #deniedUntil = 0;
  /** Since when the engine is being asked for the lease. */
  #askedAt: number | undefined;
  /** Since when a probe is due that others are said to have. */
  #dueAt: number | undefined;
  /** Since when it is open by nothing but what others say. */
  #heldSince = 0;
  /** It looks for itself, whatever others say. */
  #isLooking = false;
  /** What the circuit has found out by itself, and the engine may not know; and until when it matters. */
  #untold: FleetReport | undefined;
  #untoldUntil = Infinity;
  /** Whether a fleet that did not know has been told once more. */
  #hasRepeated = false;
  #patienceMs = Infinity;
  #isAlone = false;
  #failures = 0;
  #isOver = false;
  #readingUntil = -Infinity;
  #cancelRetry: Cancel | undefined;
  /** When the engine may be asked again, after it has failed. */
  #retryAt = Infinity;
  /** When it was last asked because of a message. */
  #wonderedAt = -Infinity;
  /** When the engine was last asked anything. */
  #lastAskedAt = -Infinity;
  /** What gives a request up that is under way, and when it left. */
  readonly #pending = new Map<() => void, number>();

  constructor(engine: FleetEngine, member: FleetMember) {
    this.#engine = engine;
    this.#member = member;
    this.#beginAnew();
    this.#unsubscribe = engine.subscribe(
      member.dependency,
      (message) => this.#hear(message),
      // Whoever is alone already is trying again.
      (reason) => {
        if (!this.#isAlone) this.#lose(reason);
      },
      // What was said meanwhile was not heard.
      (withinMs) => (withinMs > 0 ? this.#retryIn(withinMs * member.random()) : this.#retry()),
    );
    // One that tells nothing is asked behind a call: there may be no request yet whose doing it could be.
    if (!engine.isSilent) this.#read();
  }

  probeWaitMs(): number {
    const now = this.#member.clock.now();
    this.#catchUp(now);
    // A lease that was not used in time still counts, until something is found out: or where calls are rare, all would run out.
    if (this.#isAlone || this.#isOver || this.#isLooking || this.#token !== undefined) return 0;
    this.#dueAt ??= now;
    // Whoever says for so long that somebody else is at it can't be right, and nobody is believed for ever.
    if (now - this.#dueAt >= this.#patienceMs || this.#isHeldTooLong(now)) {
      this.#look(now);
      return 0;
    }
    if (now < this.#deniedUntil) return this.#deniedUntil - now;
    if (this.#askedAt === undefined) this.#ask(now);
    const askedAt = this.#askedAt ?? now;
    return Math.max(1, askedAt + ENGINE_MS - now);
  }

  /** A call goes by: time to hear of what an engine does not tell by itself. */
  onCall(): void {
    const now = this.#member.clock.now();
    this.#catchUp(now);
    const { pollMs = Infinity } = this.#engine;
    if (this.#isAlone || this.#pending.size > 0) return;
    if (now - this.#lastAskedAt >= pollMs) this.#read();
  }

  /** Whether the next probe is this circuit's, or it is being asked for. */
  get isAtIt(): boolean {
    const now = this.#member.clock.now();
    return now < this.#leaseUntil || (this.#askedAt !== undefined && now - this.#askedAt < ENGINE_MS);
  }

  opened(retryAfterMs: number, byProbe: boolean): void {
    const token = this.#takeToken();
    this.#beginAnew();
    this.#basis = this.#known;
    const failed = byProbe && token !== undefined;
    this.#tell(failed ? { kind: 'failed', retryAfterMs, token } : { kind: 'down', retryAfterMs });
  }

  closed(): void {
    const token = this.#takeToken() ?? 0;
    this.#beginAnew();
    this.#tell({ kind: 'recovered', token });
  }

  leave(): void {
    this.#isOver = true;
    this.#cancelRetry?.();
    this.#unsubscribe();
  }

  #takeToken(): number | undefined {
    const token = this.#token;
    this.#token = undefined;
    this.#leaseUntil = 0;
    this.#isLooking = false;
    return token;
  }

  #isHeldTooLong(now: number): boolean {
    return now - this.#heldSince >= TRUST * this.#patienceMs;
  }

  #look(now: number): void {
    this.#dueAt = now;
    this.#heldSince = now;
    this.#isLooking = true;
    this.#leaseUntil = now + this.#member.leaseMs;
  }

  /** Something has been found out: what was before it is over. */
  #beginAnew(): void {
    const { clock, patienceMs, leaseMs, random } = this.#member;
    this.#dueAt = undefined;
    this.#heldSince = clock.now();
    this.#deniedUntil = 0;
    this.#hasRepeated = false;
    // Longer than a few who die with it, and not the same for all.
    this.#patienceMs = Math.max(patienceMs, 3 * leaseMs) * (1 + 0.5 * random());
  }

  #tell(report: FleetReport): void {
    // What was found out by a lease is nobody's any more when the lease is.
    this.#untold = report.kind === 'failed' ? undefined : report;
    this.#untoldUntil = report.kind === 'down' ? this.#member.clock.now() + report.retryAfterMs : Infinity;
    if (!this.#isAlone && !this.#isOver) this.#send(report);
  }

  #send(report: FleetReport): void {
    this.#request(
      () => this.#engine.report(this.#member.dependency, report),
      (answer, asOf) => {
        const state = parseState(answer);
        // Who has seen it work for himself believes that, and goes on alone.
        if (state?.state === 'open' && isOwnEvidence(report)) return 'contradicted';
        if (this.#untold === report) this.#untold = undefined;
        return this.#believe(state, asOf);
      },
    );
  }

  #ask(now: number): void {
    const { clock, dependency, leaseMs, random } = this.#member;
    const { isSilent, pollMs = Infinity } = this.#engine;
    const longestMs = isSilent ? Math.min(pollMs, PROBE_POLL_MS) : Infinity;
    this.#askedAt = now;
    this.#request(
      () => this.#engine.lease(dependency, leaseMs),
      (answer, asOf) => {
        const lease = parseLease(answer);
        if (lease === undefined) return 'invalid';
        const { state, token, waitMs } = lease;
        this.#askedAt = undefined;
        this.#believe(state, asOf);
        if (token !== undefined) {
          // Counted from the question: the engine's own count begins later, and ends later.
          this.#token = token;
          this.#leaseUntil = now + leaseMs;
        } else if (state.state === 'open') {
          this.#deniedUntil = clock.now() + Math.min(Math.max(1, waitMs), longestMs) * (1 + 0.1 * random());
        } else this.#differ(state);
        return undefined;
      },
    );
  }

  /** A probe is due here, and the fleet says that all is well. */
  #differ(state: FleetState): void {
    const basis = this.#basis;
    const isLater = basis !== undefined && state.run !== 0 && (state.run !== basis.run || state.epoch > basis.epoch);
    // Others have found it back, while a probe of this one was under way.
    if (isLater) this.#member.onState(state);
    // It knew, and has lost its memory: then it is told, and one of those who know looks, and not all of them.
    else if (basis !== undefined && basis.run !== 0 && state.run === 0 && !this.#hasRepeated) this.#repeat();
    // Too few have found the dependency down, or it was long ago. This one looks for itself.
    else this.#look(this.#member.clock.now());
  }

  #repeat(): void {
    const { clock, dependency } = this.#member;
    this.#hasRepeated = true;
    this.#request(
      () => this.#engine.report(dependency, { kind: 'down', retryAfterMs: 0 }),
      (answer, asOf) => {
        const state = parseState(answer);
        // It is of another mind.
        if (state?.state === 'closed') this.#look(clock.now());
        return this.#believe(state, asOf);
      },
    );
  }

  #read(): void {
    const { clock, dependency } = this.#member;
    const now = clock.now();
    // One at a time: whoever can write messages must not make each of them a question.
    if (this.#isOver || now < this.#readingUntil) return;
    this.#readingUntil = now + ENGINE_MS;
    this.#request(
      () => this.#engine.read(dependency),
      (answer, asOf) => {
        this.#readingUntil = -Infinity;
        return this.#believe(parseState(answer), asOf);
      },
    );
  }

  /**
   * Asks the engine. It is lost if it throws, takes too long, or says what makes no sense: then `onAnswer`, which is given what was
   * known when it was asked, gives the reason.
   */
  #request(
    ask: () => Promise<unknown>,
    onAnswer: (answer: unknown, asOf: FleetState | undefined) => string | undefined,
  ): void {
    const asOf = this.#known;
    let isSettled = false;
    const settle = (reason: string | undefined): void => {
      if (isSettled) return;
      isSettled = true;
      cancel();
      this.#pending.delete(giveUp);
      if (this.#isOver) return;
      if (reason === undefined) this.#join();
      else this.#lose(reason);
    };
    const giveUp = (): void => settle('timeout');
    const { clock } = this.#member;
    const cancel = clock.schedule(ENGINE_MS, giveUp);
    cancel.unref?.();
    this.#lastAskedAt = clock.now();
    this.#pending.set(giveUp, this.#lastAskedAt);
    const run = async (): Promise<void> => {
      try {
        const answer = await ask();
        if (!isSettled && !this.#isOver) settle(onAnswer(answer, asOf));
      } catch (error) {
        settle(error instanceof Error ? error.name : 'Error');
      }
    };
    void run();
  }

  /** What timers should have done: on Workers they stop with the request that set them. */
  #catchUp(now: number): void {
    if (this.#isOver) return;
    for (const [giveUp, askedAt] of this.#pending) if (now - askedAt >= ENGINE_MS) giveUp();
    if (now >= this.#retryAt) this.#retry();
  }

  #retry(): void {
    this.#retryAt = Infinity;
    this.#cancelRetry?.();
    if (this.#engine.isReachable === false) this.#retryIn(UNREACHABLE_MS * this.#half());
    else this.#read();
  }

  /** A message that nobody asked for. */
  #hear(message: unknown): void {
    const state = parseState(message);
    const known = this.#known;
    if (this.#isOver || this.#isAlone || state === undefined) return;
    if (state.run === known?.run && state.epoch <= known.epoch) return;
    // Another memory, which may have begun earlier by a clock that was put back, or a leap: it is as well to ask as to believe.
    if (state.run !== known?.run || state.epoch > known.epoch + FAR) this.#wonder();
    else this.#believe(state, known);
  }

  /** Whoever can write messages must not make each of them a question. */
  #wonder(): void {
    const now = this.#member.clock.now();
    // What is being asked already may be answered as of before the message.
    const waitMs = Math.max(this.#wonderedAt + ENGINE_MS, this.#readingUntil) - now;
    if (waitMs > 0 && this.#retryAt < Infinity) return;
    this.#wonderedAt = now + Math.max(0, waitMs);
    if (waitMs > 0) this.#retryIn(waitMs);
    else this.#read();
  }

  /** What the engine says. Gives the reason if it makes no sense. */
  #believe(state: FleetState | undefined, asOf: FleetState | undefined): string | undefined {
    if (state === undefined) return 'invalid';
    const known = this.#known;
    const isNewer =
      known === undefined || state.run > known.run || (state.run === known.run && state.epoch > known.epoch);
    // It was under way while something newer came. If nothing did, the engine itself has gone back.
    if (!isNewer && asOf !== known) return undefined;
    this.#known = state;
    if (!isNewer && known.run === state.run) return undefined;
    if (state.state === 'closed') {
      // Of a memory that is new to this instance, or has not heard it yet: that does not say that somebody found it back.
      if (known?.run !== state.run || this.#untold !== undefined) return undefined;
    } else {
      const now = this.#member.clock.now();
      if (known?.state !== 'open') this.#heldSince = now;
      if (this.#isLooking || this.#isHeldTooLong(now) || (this.#untold !== undefined && isOwnEvidence(this.#untold)))
        return undefined;
      this.#basis = state;
    }
    // Somebody has found something out: a lease of before is worth nothing, and there is nothing to be impatient about.
    this.#takeToken();
    this.#dueAt = undefined;
    this.#deniedUntil = 0;
    this.#member.onState(state);
    return undefined;
  }

  /** The engine has answered. Who was alone has joined again when it has told what it found out meanwhile. */
  #join(): void {
    if (this.#isAlone) {
      const untold = this.#untold;
      const leftMs = this.#untoldUntil - this.#member.clock.now();
      this.#untold = undefined;
      // What was found out so long ago that it would be looked at again by now is no news.
      if (untold !== undefined && leftMs > 0) {
        this.#untold = untold.kind === 'down' ? { ...untold, retryAfterMs: leftMs } : untold;
        this.#send(this.#untold);
        return;
      }
      this.#isAlone = false;
      this.#member.onStatus({ status: 'joined' });
    }
    this.#failures = 0;
  }

  #lose(reason: string): void {
    if (this.#isOver) return;
    this.#askedAt = undefined;
    this.#readingUntil = -Infinity;
    this.#takeToken();
    this.#deniedUntil = 0;
    if (!this.#isAlone) {
      this.#isAlone = true;
      this.#member.onStatus({ status: 'alone', reason });
    }
    if (this.#engine.isReachable === false) {
      this.#retry();
      return;
    }
    const longestMs = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    this.#retryIn(longestMs * this.#half());
  }

  /** Half of a wait is by chance: a fleet must not come back in step. */
  #half(): number {
    return 0.5 + 0.5 * this.#member.random();
  }

  #retryIn(waitMs: number): void {
    const { clock } = this.#member;
    this.#cancelRetry?.();
    this.#retryAt = clock.now() + waitMs;
    this.#cancelRetry = clock.schedule(waitMs, () => this.#retry());
    this.#cancelRetry.unref?.();
  }
}

/** Seen without anybody's leave: no lease says how old it is, so it is as good as what others say. */
function isOwnEvidence(report: FleetReport): boolean {
  return report.kind === 'recovered' && report.token === 0;
}
