import type { Fleet, FleetEngine, FleetMember, FleetSeat } from './fleet.ts';
import { Seat } from './seat.ts';

// How soon it is worth asking again, where another circuit of this instance has the probe.
const NEIGHBOUR_MS = 100;

/** A fleet, over whatever has its memory. */
export class EngineFleet implements Fleet {
  readonly #engine: FleetEngine;
  readonly #seats = new Map<Seat, string>();
  #closing: Promise<void> | undefined;

  constructor(engine: FleetEngine) {
    this.#engine = engine;
  }

  join(member: FleetMember): FleetSeat {
    if (this.#closing !== undefined) return alone(member);
    const { dependency } = member;
    const seat = new Seat(this.#engine, member);
    this.#seats.set(seat, dependency);
    return {
      probeWaitMs: () => (this.#isTaken(seat, dependency) ? NEIGHBOUR_MS : seat.probeWaitMs()),
      // No call pays for what is told anyway.
      ...(this.#engine.pollMs === undefined ? {} : { onCall: () => seat.onCall() }),
      opened: (retryAfterMs, byProbe) => seat.opened(retryAfterMs, byProbe),
      closed: () => seat.closed(),
      leave: () => {
        this.#seats.delete(seat);
        seat.leave();
      },
    };
  }

  close(): Promise<void> {
    for (const seat of this.#seats.keys()) seat.leave();
    this.#seats.clear();
    this.#closing ??= this.#engine.close();
    return this.#closing;
  }

  /** Whether another client of this instance has the lease: to the engine, they are one. Of several, the first has it. */
  #isTaken(seat: Seat, dependency: string): boolean {
    for (const [other, of] of this.#seats) {
      if (other === seat) return false;
      if (of === dependency && other.holds) return true;
    }
    return false;
  }
}

/** Whoever comes when it is closed goes on alone, as those do who were there. */
function alone({ onStatus }: FleetMember): FleetSeat {
  onStatus({ status: 'alone', reason: 'closed' });
  return { probeWaitMs: () => 0, opened() {}, closed() {}, leave() {} };
}
