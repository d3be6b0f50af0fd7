import type { Clock } from '../clock.ts';
import type { FleetReport, FleetState, LeaseAnswer } from '../model/fleet.ts';

/**
 * Instances (processes, isolates, tabs) that have one opinion of a dependency: what one finds down, the others leave alone,
 * and one at a time finds out whether it is back. It is advice: each circuit decides alone, and at memory speed.
 */
export interface Fleet {
  /** Takes a circuit in. For {@link CircuitBreaker}, not for you. */
  join(member: FleetMember): FleetSeat;
  /** Leaves: circuits go on alone. Lets go of what the fleet has opened; safe to call twice. */
  close(): Promise<void>;
}

/** A circuit, as the fleet sees it. */
export interface FleetMember {
  /** The dependency that it is the circuit of. */
  readonly dependency: string;
  /** Its door to time. */
  readonly clock: Clock;
  /** Its door to chance. */
  readonly random: () => number;
  /** How long a probe may take. */
  readonly leaseMs: number;
  /** The longest it goes without a probe of its own because others say that they have one. */
  readonly patienceMs: number;
  /** Told what the fleet has found. */
  onState(state: FleetState): void;
  /** Told that the engine is there, or why it is not: then the circuit is as if there were no fleet. */
  onStatus(status: FleetStatus): void;
}

/** Whether the fleet is there, and if not, why: as in {@link FleetEvent.reason}. */
export type FleetStatus = { readonly status: 'joined' } | { readonly status: 'alone'; readonly reason: string };

/** The fleet, as a circuit sees it. Nothing in it waits. */
export interface FleetSeat {
  /** Milliseconds until the circuit may send a probe; 0: it may now. Asks for the lease, if it has none. */
  probeWaitMs(): number;
  /** A call has been admitted to a closed circuit, or refused by an open one. Only there if the fleet has to be told. */
  onCall?(): void;
  /** The circuit has opened: by failures while closed, or by a probe. */
  opened(retryAfterMs: number, byProbe: boolean): void;
  /** It has closed: its probes have succeeded. */
  closed(): void;
  /** The circuit goes on alone. */
  leave(): void;
}

/** What has the memory: each instance talks to one. Every answer may be late, never come, or be anything at all. */
export interface FleetEngine {
  /** How often it is asked while there are calls: what it tells by itself may get lost. */
  readonly pollMs?: number;
  /** It tells nothing by itself: it is asked behind calls, and more often while somebody else's probe is awaited. */
  readonly isSilent?: boolean;
  /** `false` while there is no way to ask it: then nobody tries, and it costs it nothing that they look often. */
  readonly isReachable?: boolean;
  report(dependency: string, report: FleetReport): Promise<unknown>;
  lease(dependency: string, leaseMs: number): Promise<unknown>;
  read(dependency: string): Promise<unknown>;
  /**
   * Has `onMessage` told of what becomes of the dependency, `onLost` that nothing will be any more, and `onBack` that it will
   * again: it may be asked then, and, where all are told at once, each at some time within so many ms.
   */
  subscribe(
    dependency: string,
    onMessage: (message: unknown) => void,
    onLost: (reason: string) => void,
    onBack: (withinMs: number) => void,
  ): () => void;
  close(): Promise<void>;
}

export type { FleetReport, FleetState, LeaseAnswer };
