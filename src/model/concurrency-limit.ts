/**
 * What the end of a call says of the load: it was answered; it was turned away, or timed out; it was cut off before its time
 * was up (by a deadline that had begun earlier), which says something only if it was slow by then.
 */
export type Sign = 'served' | 'dropped' | 'cut';

/** The end of a call that held a slot. */
export interface Sample {
  readonly sign: Sign;
  /** How long it took. */
  readonly latencyMs: number;
  /** Calls that ran then, itself included. */
  readonly running: number;
  readonly now: number;
  /** Milliseconds since the Unix epoch: a clock that others share. */
  readonly epochNow: number;
}

const START = 20;
const LEAST = 1;
const MOST = 1_000;

// Latencies are judged by their logarithms: one call that takes a hundred times as long as the others must not look like a service
// that has got slow, and the median of what services take is about the mean of the logarithms.
/** A service that takes longer than this, against when nobody waits there, has a queue: what waits there is better refused here. */
const QUEUEING = Math.log(1.7);
/** Doubling ends as soon as there is a trace of one. */
const TRACE = Math.log(1.4);
/** So many more calls that are turned away or time out than usual are too many. */
const DROPS = 0.15;
/** From this share of them on, nothing can be told of latencies, and no share is usual. */
const MOST_DROPS = 0.5;

/** Calls that are judged together, and the least if that takes long. */
const ENOUGH = 20;
const LEAST_ENOUGH = 5;
const SHORT_MS = 200;
const LONG_MS = 1_000;

// A descent that has come so far, and has not made it faster, was for nothing.
const DESCENT = 1 / 3;
const FASTER = Math.log(0.7);
const FEWER = 0.75;

// A dip is cheap: where two thirds more are under way than can be worked on, what is left of them keeps the service nearly busy.
const DIP = 0.4;
/** In times of what calls take: until what was under way has gone, and to the end. */
const DRAINED = 3;
const DIP_LASTS = 8;
const DIP_EVERY_MS = 10_000;
// Longer ones are rarer, and come when the shorter ones of others are due as well.
const DIPS_APART = 10;
/** Below that, there is nothing left to dip into. */
const LEAST_TO_DIP = 3;

/** Calls judged together. */
class Tally {
  count = 0;
  #latencies = 0;
  #drops = 0;

  add(latency: number, isDropped: boolean): void {
    this.count += 1;
    this.#latencies += latency;
    if (isDropped) this.#drops += 1;
  }

  get latency(): number {
    return this.#latencies / this.count;
  }

  /** The share of those that were dropped. */
  get drops(): number {
    return this.#drops / this.count;
  }
}

/** A short while in which less of the limit is used, to see how long calls take when nobody waits. */
interface Dip {
  readonly from: number;
  /** Until then, what was under way before has gone. */
  readonly steadyAt: number;
  readonly until: number;
  readonly tally: Tally;
}

/**
 * How many calls may run at once, found out by watching them: the limit grows while it is used and nothing speaks against it, and
 * falls when calls are dropped, or take much longer than they do when nobody waits at the service. What is not used says nothing
 * of the limit: while less than half of it is, it stays.
 *
 * How long that is has to be known, and others may fill the queue, too. So now and then, while the limit is what holds calls back,
 * it dips for a moment, and all instances with it, since they go by the same clock: what a call takes then is the truth. Where
 * clocks differ, limits get higher than they need be, up to where calls are dropped. And a descent that helps nothing is taken
 * back: a service that has got slow for other reasons needs more calls at once, and not fewer.
 *
 * After Vegas (Brakmo, Peterson, 1995), BBR's probes for the round trip (Cardwell et al., 2016), and Netflix's Gradient2.
 */
export class ConcurrencyLimit {
  #limit = START;
  /** What calls take when nobody waits at the service; unknown at first. */
  #base = Number.NaN;
  /** The share that is dropped whatever the limit is. */
  #usualDrops = 0;
  /** As long as it has never been too much. */
  #doubles = true;
  #window = new Tally();
  #windowFrom = 0;
  #mostRunning = 0;
  /** What it was like when the limit began to fall, or fell this far. */
  #descent: { readonly limit: number; readonly latency: number; readonly drops: number } | undefined;
  #dip: Dip | undefined;
  #dips = false;

  /** Whole, from 1 to 1,000. */
  get value(): number {
    return Math.max(LEAST, Math.floor(this.#dips ? this.#limit * DIP : this.#limit));
  }

  /** Learns from a call that has ended. */
  note({ sign, latencyMs, running, now, epochNow }: Sample): void {
    const took = Math.log(Math.max(1, latencyMs));
    if (sign === 'cut' && took < this.#base) return;
    const isDropped = sign !== 'served';
    // A refusal comes fast, or after a retry: how long it took says nothing.
    const latency = sign === 'dropped' && this.#base >= 0 ? this.#base : took;
    const dip = this.#dip;
    if (dip !== undefined && now >= dip.from) {
      this.#noteInDip(dip, latency, isDropped, now - latencyMs, now);
      return;
    }
    const window = this.#window;
    if (window.count === 0) this.#windowFrom = now;
    window.add(latency, isDropped);
    this.#mostRunning = Math.max(this.#mostRunning, running);
    // Were there no end to it before anything is known, what it makes slower would never be known.
    const most = Number.isNaN(this.#base) ? START * 3 : MOST;
    if (this.#doubles && !isDropped && running * 2 >= this.#limit) this.#limit = Math.min(most, this.#limit + 1);
    // Shorter than a call takes, it would not see what the last change has come to; and the first to end are the fast ones.
    const leastMs = Math.max(SHORT_MS, Math.exp(window.latency)) * (Number.isNaN(this.#base) ? 3 : 1);
    const passedMs = now - this.#windowFrom;
    if (passedMs < leastMs || window.count < (passedMs < LONG_MS ? ENOUGH : LEAST_ENOUGH)) return;
    const isUsed = this.#mostRunning * 2 >= this.#limit;
    this.#nextWindow();
    this.#judge(window, isUsed, passedMs / leastMs, now, epochNow);
  }

  /** @param windows How many windows this one was as long as. */
  #judge({ latency, drops }: Tally, isUsed: boolean, windows: number, now: number, epochNow: number): void {
    if (Number.isNaN(this.#base)) this.#base = latency;
    const excess = latency - this.#base;
    if (excess < 0) this.#base += excess * 0.05;
    this.#usualDrops *= 0.99;
    if (!isUsed) {
      this.#descent = undefined;
      if (excess < TRACE) this.#dip = undefined;
      // Not ours, but it may be so from now on.
      if (excess > 0) this.#base += Math.min(excess, QUEUEING) * 0.02;
      return;
    }
    if (excess > TRACE) this.#doubles = false;
    const drop = drops > this.#usualDrops + DROPS ? drops : 0;
    if (excess <= QUEUEING && drop === 0) {
      if (this.#descent !== undefined && this.#limit >= this.#descent.limit) this.#descent = undefined;
      // Less, the larger it is: who has less gains on who has more.
      this.#limit = Math.min(MOST, this.#limit + Math.min(this.#limit / 2, (Math.sqrt(this.#limit) / 2) * windows));
      return;
    }
    this.#doubles = false;
    if (this.#isOfNoUse(latency, drops, drop > 0)) return;
    const share = Math.min(1 - drop / 2, Math.exp(QUEUEING - excess));
    this.#limit = Math.max(LEAST, this.#limit * Math.max(drop > 0 ? 0.5 : 0.8, share));
    this.#planDip(now, epochNow);
  }

  /** Whether the limit has fallen far for nothing: then it is back where it began, and calls may take that long. */
  #isOfNoUse(latency: number, drops: number, byDrops: boolean): boolean {
    const limit = this.#limit;
    this.#descent ??= { limit, latency, drops };
    const before = this.#descent;
    if (limit > before.limit * DESCENT && limit >= 2) return false;
    const helps = byDrops ? drops > MOST_DROPS || drops < before.drops * FEWER : latency < before.latency + FASTER;
    if (helps) {
      this.#descent = { limit, latency, drops };
      return false;
    }
    if (byDrops) this.#usualDrops = drops;
    // A third of the way: with others at it, it may have been theirs.
    else this.#base += (latency - this.#base) / 3;
    this.#limit = before.limit;
    this.#descent = undefined;
    return true;
  }

  #planDip(now: number, epochNow: number): void {
    if (this.#dip !== undefined || this.#limit < LEAST_TO_DIP) return;
    const callMs = Math.exp(this.#base);
    const leastMs = callMs * DIP_LASTS * DIPS_APART;
    const everyMs = DIP_EVERY_MS * 2 ** Math.max(0, Math.ceil(Math.log2(leastMs / DIP_EVERY_MS)));
    const from = now + everyMs - (epochNow % everyMs);
    this.#dip = { from, steadyAt: from + callMs * DRAINED, until: from + callMs * DIP_LASTS, tally: new Tally() };
  }

  #noteInDip(
    { steadyAt, until, tally }: Dip,
    latency: number,
    isDropped: boolean,
    startedAt: number,
    now: number,
  ): void {
    this.#dips = now < until;
    if (startedAt >= steadyAt && startedAt < until) tally.add(latency, isDropped);
    // Those that take long count, too.
    if (now < until * 2 - steadyAt) return;
    this.#dip = undefined;
    this.#nextWindow();
    this.#descent = undefined;
    const { count, drops } = tally;
    if (count < LEAST_ENOUGH || drops >= MOST_DROPS) return;
    this.#base += (tally.latency - this.#base) * (count / (count + 10));
    this.#usualDrops = drops;
  }

  #nextWindow(): void {
    this.#window = new Tally();
    this.#mostRunning = 0;
  }
}
