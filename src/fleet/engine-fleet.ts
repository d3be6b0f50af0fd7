import type { Fleet, FleetEngine, FleetMember, FleetSeat } from './fleet.ts';
import { Seat } from './seat.ts';

/** A fleet, over whatever has its memory. */
export class EngineFleet implements Fleet {
  readonly #engine: FleetEngine;
  readonly #seats = new Set<FleetSeat>();
  #closing: Promise<void> | undefined;

  constructor(engine: FleetEngine) {
    this.#engine = engine;
  }

  join(member: FleetMember): FleetSeat {
    if (this.#closing !== undefined) throw new TypeError('Cannot join the fleet: it is closed');
    const seat = new Seat(this.#engine, member);
    this.#seats.add(seat);
    return {
      probeWaitMs: () => seat.probeWaitMs(),
      // No call pays for what is told anyway.
      ...(this.#engine.pollMs === undefined ? {} : { onCall: () => seat.onCall() }),
      opened: (retryAfterMs) => seat.opened(retryAfterMs),
      closed: () => seat.closed(),
      leave: () => {
        this.#seats.delete(seat);
        seat.leave();
      },
    };
  }

  close(): Promise<void> {
    for (const seat of this.#seats) seat.leave();
    this.#seats.clear();
    this.#closing ??= this.#engine.close();
    return this.#closing;
  }
}
