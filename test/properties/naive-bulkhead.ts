export interface NaiveLimits {
  readonly maxConcurrent: number;
  readonly maxQueued: number;
  readonly queueTimeoutMs: number;
}

/**
 * What an operation does: ends at once (with a value, or by throwing), when a timer of its own rings, or when it is told
 * to. One that is `polite` ends when its signal aborts; the others never look at it.
 */
export interface Manner {
  readonly ends: 'at once' | 'by throwing' | 'in time' | 'when told';
  readonly takesMs: number;
  readonly polite: boolean;
}

interface NaiveCall {
  readonly id: number;
  readonly manner: Manner;
  /** What the caller was told. */
  answer?: string;
  /** What the operation came to. */
  end?: string;
}

interface Timer {
  readonly at: number;
  readonly call: NaiveCall;
  readonly what: 'the wait is over' | 'the operation ends';
}

/** A bulkhead made of plain lists that are searched from end to end. Calls are known by their number. */
export class NaiveBulkhead {
  readonly #limits: NaiveLimits;
  readonly #calls: NaiveCall[] = [];
  #holding: readonly NaiveCall[] = [];
  #waiting: readonly NaiveCall[] = [];
  /** Calls whose operation has ended, but whose slot is still theirs: promises have to settle first. */
  #ended: readonly NaiveCall[] = [];
  /** In the order in which they were set. */
  #timers: readonly Timer[] = [];
  #closed = false;
  #now = 0;
  /** Calls whose operation has begun, in order. */
  readonly started: number[] = [];
  /** What those who had to wait were told: running, queued. */
  readonly queuedEvents: (readonly [number, number])[] = [];

  constructor(limits: NaiveLimits) {
    this.#limits = limits;
  }

  get running(): number {
    return this.#holding.length;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  get timers(): number {
    // Each that waits looks out for calls that are lost.
    return this.#timers.length + this.#waiting.length;
  }

  get answers(): readonly (string | undefined)[] {
    return this.#calls.map(({ answer }) => answer);
  }

  get closedAndIdle(): boolean {
    return this.#closed && this.#holding.length === 0;
  }

  arrive(manner: Manner, refusal?: string): void {
    const { maxConcurrent, maxQueued, queueTimeoutMs } = this.#limits;
    const call: NaiveCall = { id: this.#calls.length, manner };
    this.#calls.push(call);
    if (refusal !== undefined) call.answer = refusal;
    else if (this.#closed) call.answer = 'CLOSED';
    else if (this.#holding.length < maxConcurrent) this.#start(call);
    else if (this.#waiting.length < maxQueued) {
      this.#waiting = [...this.#waiting, call];
      this.queuedEvents.push([this.#holding.length, this.#waiting.length]);
      if (queueTimeoutMs < Infinity) this.#setTimer(queueTimeoutMs, call, 'the wait is over');
    } else call.answer = 'BULKHEAD_FULL';
  }

  abort(id: number, answer: string): void {
    const call = this.#calls[id];
    if (call === undefined) return;
    if (this.#waiting.includes(call)) this.#refuse(call, answer);
    else if (this.#holding.includes(call)) {
      call.answer ??= answer;
      if (call.manner.polite) this.end(id, answer);
    }
  }

  end(id: number, end: string): void {
    const call = this.#calls[id];
    if (call === undefined || call.end !== undefined) return;
    call.end = end;
    this.#ended = [...this.#ended, call];
  }

  close(): void {
    this.#closed = true;
    for (const call of this.#waiting) this.#refuse(call, 'CLOSED');
  }

  /** Lets promises settle: slots are handed on, first come, first served. */
  settle(): void {
    for (let [over] = this.#ended; over !== undefined; [over] = this.#ended) {
      const gone = over;
      this.#ended = this.#ended.slice(1);
      if (gone.end !== undefined) gone.answer ??= gone.end;
      this.#holding = this.#holding.filter((each) => each !== gone);
      const [next] = this.#waiting;
      if (next === undefined) continue;
      this.#waiting = this.#waiting.slice(1);
      this.#start(next);
    }
    // Who does not wait any more needs no timer.
    this.#timers = this.#timers.filter(
      ({ what, call }) => what === 'the operation ends' || this.#waiting.includes(call),
    );
  }

  pass(ms: number): void {
    const target = this.#now + ms;
    this.settle();
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= target);
      const next = due.find(({ at }) => due.every((other) => at <= other.at));
      if (next === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#now = next.at;
      if (next.what === 'the operation ends') this.end(next.call.id, `value ${next.call.id}`);
      else this.#refuse(next.call, 'QUEUE_TIMEOUT');
      this.settle();
    }
    this.#now = target;
  }

  #start(call: NaiveCall): void {
    this.#holding = [...this.#holding, call];
    this.started.push(call.id);
    const { ends, takesMs } = call.manner;
    if (ends === 'at once') this.end(call.id, `value ${call.id}`);
    if (ends === 'by throwing') this.end(call.id, `Error: ${call.id}`);
    if (ends === 'in time') this.#setTimer(takesMs, call, 'the operation ends');
  }

  #refuse(call: NaiveCall, answer: string): void {
    this.#waiting = this.#waiting.filter((each) => each !== call);
    call.answer = answer;
  }

  #setTimer(delayMs: number, call: NaiveCall, what: Timer['what']): void {
    this.#timers = [...this.#timers, { at: this.#now + delayMs, call, what }];
  }
}
