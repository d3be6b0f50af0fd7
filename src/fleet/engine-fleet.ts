import type { Fleet, FleetEngine, FleetMember, FleetSeat, FleetStatus } from './fleet.ts';
import { Seat } from './seat.ts';

// How soon it is worth asking again, where another circuit of this instance has the probe.
const NEIGHBOUR_MS = 100;
const CLOSED: FleetStatus = { status: 'alone', reason: 'closed' };

/** A fleet, over whatever has its memory. */
export class EngineFleet implements Fleet {
  readonly #engine: FleetEngine;
  readonly #seats = new Map<Seat, FleetMember>();
  #closing: Promise<void> | undefined;

  constructor(engine: FleetEngine) {
    this.#engine = engine;
  }

  join(member: FleetMember): FleetSeat {
    if (this.#closing !== undefined) return alone(member);
    const { dependency } = member;
    const seat = new Seat(this.#engine, member);
    this.#seats.set(seat, member);
    return {
      probeWaitMs: () => (this.#isTaken(seat, dependency) ? NEIGHBOUR_MS : seat.probeWaitMs()),
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
    for (const [seat, { onStatus }] of this.#seats) {
      seat.leave();
      onStatus(CLOSED);
    }
    this.#seats.clear();
    this.#closing ??= this.#engine.close();
    return this.#closing;
  }

  /** Whether another client of this instance is at it: to the engine, they are one. */
  #isTaken(seat: Seat, dependency: string): boolean {
    for (const [other, member] of this.#seats) {
      if (other !== seat && member.dependency === dependency && other.isAtIt) return true;
    }
    return false;
  }
}

/** Whoever comes when it is closed goes on alone, as those do who were there. */
function alone({ onStatus }: FleetMember): FleetSeat {
  onStatus(CLOSED);
  return { probeWaitMs: () => 0, opened() {}, closed() {}, leave() {} };
}
