import {
  type BreakerOptions,
  CircuitOpenError,
  type CircuitState,
  type Client,
  createClient,
  type Fleet,
  type FleetMember,
  type HttpResult,
} from 'steadfetch';

import { EngineFleet } from '../../src/fleet/engine-fleet.ts';
import { EngineMemory, memoryEngine } from '../../test/support/memory-engine.ts';
import { chanceFor, exponential } from '../chance.ts';
import { barChart, lineChart } from '../chart.ts';
import { VirtualClock } from '../clock.ts';
import { experiment, forEach } from '../experiment.ts';
import { type Point, Series } from '../series.ts';
import { Service } from '../service.ts';

const INSTANCES = 1_000;
const CALLS_PER_SECOND_EACH = 2;
const DOWN_FROM = 5_000;
const DOWN_MS = 120_000;
const RESET_MS = 10_000;
// The share of a wait by which chance lengthens it, at most.
const JITTER = 0.2;
const ATTEMPT_TIMEOUT_MS = 1_000;
const ENGINE_MS = 20;

const WORK_MS = 50;
// Of the calls there are on a good day.
const CAPACITY_SHARE = 2;
const BACKLOG_SECONDS = 0.3;
const COLD_SLOWER = 5;
const WARM_UP_MS = 30_000;
const RESTART_MS = 5_000;
const CHECK_MS = 100;

// All are back if nothing opens for so long.
const CALM_MS = 10_000;
const PATIENCE_MS = 200_000;
// What has knocked it over so often will go on with it.
const ENOUGH = 3;

// The same again after outages of many lengths, and with fewer instances: what a wait costs depends on how far it had grown.
const FEW = 60;
const OUTAGES_MS = [30, 60, 90, 120, 150, 180, 210, 240, 270, 300].map((seconds) => seconds * 1_000);

interface Policy {
  readonly breaker: BreakerOptions<HttpResult>;
  /** Probes that an instance may have under way. Default: one, as the library has it. */
  readonly probes?: number;
  readonly hasFleet?: boolean;
}

const EVERY_10_S = { resetTimeoutMs: RESET_MS, maxResetTimeoutMs: RESET_MS };
const TO_30_S = { resetTimeoutMs: RESET_MS, maxResetTimeoutMs: 30_000 };
const TO_120_S = { resetTimeoutMs: RESET_MS, maxResetTimeoutMs: 120_000 };
const POLICIES = {
  'ten probes, every 10 s': { breaker: { ...EVERY_10_S, resetJitter: 0 }, probes: 10 },
  'every 10 s': { breaker: { ...EVERY_10_S, resetJitter: 0 } },
  'every 10 s, jittered': { breaker: { ...EVERY_10_S, resetJitter: JITTER } },
  'growing to 120 s': { breaker: { ...TO_120_S, resetJitter: 0 } },
  'growing to 120 s, jittered': { breaker: { ...TO_120_S, resetJitter: JITTER } },
  'growing to 30 s, jittered': { breaker: { ...TO_30_S, resetJitter: JITTER } },
  'growing to 30 s, jitter of 1': { breaker: { ...TO_30_S, resetJitter: 1 } },
  'to 120 s, in a fleet': { breaker: { ...TO_120_S, resetJitter: JITTER }, hasFleet: true },
} satisfies Record<string, Policy>;

type Name = keyof typeof POLICIES;
// What is to be seen of more jitter is seen after many outages.
type Main = Exclude<Name, 'growing to 30 s, jitter of 1'>;
const MAIN = (Object.keys(POLICIES) as Name[]).filter((name): name is Main => name !== 'growing to 30 s, jitter of 1');
const SHOWN = [
  'ten probes, every 10 s',
  'every 10 s',
  'growing to 120 s',
  'growing to 120 s, jittered',
  'to 120 s, in a fleet',
] as const satisfies readonly Main[];
const SWEPT = [
  'every 10 s, jittered',
  'growing to 30 s, jittered',
  'growing to 30 s, jitter of 1',
  'growing to 120 s, jittered',
  'to 120 s, in a fleet',
] as const satisfies readonly Name[];
type Swept = (typeof SWEPT)[number];

// A circuit is an origin's, unless `isolateBy` says otherwise: ten of them have ten origins, of the same service.
const originOf = (nth: number): string => `https://service-${nth}.test`;
const FIRST = originOf(0);

/** The circuits of one instance, as its events tell of them: one, or as many as it may have probes under way. */
class Circuits {
  readonly #states = new Map<string, CircuitState>();
  readonly #openUntil = new Map<string, number>();

  constructor(count: number) {
    for (let nth = 0; nth < count; nth += 1) this.note(originOf(nth), 'closed');
  }

  note(circuit: string, state: CircuitState, openUntil = 0): void {
    this.#states.set(circuit, state);
    this.#openUntil.set(circuit, openUntil);
  }

  stateOf(circuit: string): CircuitState | undefined {
    return this.#states.get(circuit);
  }

  openUntil(circuit: string): number {
    return this.#openUntil.get(circuit) ?? 0;
  }

  /** Where a call goes: to the first, and while that is not closed to the one whose probe is due, or will be first. */
  get next(): string {
    let first = FIRST;
    if (this.#openUntil.size === 1 || this.stateOf(FIRST) === 'closed') return first;
    for (const [circuit, until] of this.#openUntil) if (until < this.openUntil(first)) first = circuit;
    return first;
  }
}

/**
 * Has the circuits of one instance open and close as one, while each probes by itself: as one circuit that lets as many probes
 * through at a time would.
 */
function together(): Fleet {
  const members = new Set<FleetMember>();
  let openUntil: number | undefined;
  const tell = ({ clock, onState }: FleetMember): void => {
    const state = openUntil === undefined ? 'closed' : 'open';
    onState({ run: 0, epoch: 0, trips: 0, state, retryAfterMs: Math.max(0, (openUntil ?? 0) - clock.now()) });
  };
  const tellOthers = (of: FleetMember): void => {
    for (const other of members) if (other !== of) tell(other);
  };
  return {
    join(member) {
      members.add(member);
      // A circuit is made when it is first called.
      if (openUntil !== undefined) tell(member);
      return {
        probeWaitMs: () => 0,
        opened: (retryAfterMs, byProbe) => {
          if (byProbe) return;
          openUntil = member.clock.now() + retryAfterMs;
          tellOthers(member);
        },
        closed: () => {
          openUntil = undefined;
          tellOthers(member);
        },
        leave() {},
      };
    },
    async close() {},
  };
}

/** A service that is slow when it has just started, and that a full queue kills: it begins anew, and slow. */
class Frail {
  readonly service: Service;
  /** Times that it died of its queue. */
  deaths = 0;
  readonly #clock: VirtualClock;
  readonly #backlog: number;
  #startedAt = -Infinity;

  constructor(clock: VirtualClock, seed: number, callsPerSecond: number, coldSlower: number) {
    this.#clock = clock;
    const capacity = callsPerSecond * CAPACITY_SHARE;
    this.#backlog = capacity * BACKLOG_SECONDS;
    const workMs = exponential(chanceFor(seed, 'work'), WORK_MS);
    const slower = (): number => 1 + (coldSlower - 1) * Math.max(0, 1 - (clock.now() - this.#startedAt) / WARM_UP_MS);
    this.service = new Service({
      clock,
      workers: (capacity * WORK_MS) / 1_000,
      backlog: this.#backlog,
      workMs: () => workMs() * slower(),
    });
  }

  start(): void {
    this.#startedAt = this.#clock.now();
    this.service.restart();
    this.#watch();
  }

  #watch(): void {
    if (this.service.queued < this.#backlog) {
      this.#clock.schedule(CHECK_MS, () => this.#watch());
      return;
    }
    this.deaths += 1;
    this.service.crash();
    this.#clock.schedule(RESTART_MS, () => this.start());
  }
}

/** What becomes of all instances. */
class Watch {
  readonly answered = new Series(100);
  /** Instances that are not closed. */
  open = 0;
  closedAt = 0;
  readonly clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.clock = clock;
  }

  note(from: CircuitState, to: CircuitState): void {
    if (from === 'closed') this.open += 1;
    if (to !== 'closed') return;
    this.open -= 1;
    this.closedAt = this.clock.now();
  }
}

/**
 * Calls an instance at moments of chance. What an open circuit refuses changes nothing, and is left out: once a probe is due, the
 * next call takes as long as ever, as moments of chance don't remember the one before.
 */
function callAtTimes(client: Client, circuits: Circuits, gapMs: () => number, watch: Watch): void {
  const { clock } = watch;
  let cancel = (): void => {};
  const goOn = (): void => {
    cancel();
    const waitMs = Math.max(0, circuits.openUntil(circuits.next) - clock.now());
    cancel = clock.schedule(waitMs + gapMs(), call);
  };
  const call = (): void => {
    goOn();
    void client.fetch(circuits.next).then(
      ({ ok }) => {
        if (ok) watch.answered.add(clock.now());
      },
      (error: unknown) => {
        // A fleet may keep an open circuit open for longer, which no event tells.
        if (!(error instanceof CircuitOpenError) || error.dependency === undefined) return;
        if (circuits.stateOf(error.dependency) !== 'open') return;
        circuits.note(error.dependency, 'open', clock.now() + error.retryAfterMs);
        goOn();
      },
    );
  };
  client.subscribe((event) => {
    if (event.type !== 'transition') return;
    const { dependency, from, to, retryAfterMs = 0 } = event;
    circuits.note(dependency, to, clock.now() + retryAfterMs);
    if (to === 'open' || (from === 'open' && to === 'closed')) goOn();
    if (dependency === FIRST) watch.note(from, to);
  });
  goOn();
}

interface Outage {
  readonly instances: number;
  readonly downMs: number;
  /** How many times longer the service takes when it has just started. */
  readonly coldSlower: number;
}

interface Run {
  /** Requests to the service that is down once all have opened, as a share of those of a good day. */
  readonly share: number;
  /** Of those, in the worst second of the last minute. */
  readonly mostPerSecond: number;
  /** From the restart until all were closed, and stayed so. */
  readonly backSeconds: number;
  /** Calls that got no answer after the restart, in seconds of what there is. */
  readonly lostSeconds: number;
  /** Times that the service was knocked over when it was back. */
  readonly deaths: number;
  readonly requests: readonly Point[];
}

export async function outage(
  { breaker, probes = 1, hasFleet = false }: Policy,
  { instances, downMs, coldSlower }: Outage,
  seed: number,
  onProgress: (share: number) => void,
): Promise<Run> {
  const clock = new VirtualClock();
  const callsPerSecond = instances * CALLS_PER_SECOND_EACH;
  const frail = new Frail(clock, seed, callsPerSecond, coldSlower);
  const { service } = frail;
  const memory = new EngineMemory(clock);
  memory.faults.delayMs = ENGINE_MS;
  const watch = new Watch(clock);
  for (let nth = 0; nth < instances; nth += 1) {
    const circuits = new Circuits(probes);
    const client = createClient({
      breaker: {
        ...breaker,
        ...(probes > 1 ? { fleet: together() } : {}),
        ...(hasFleet ? { fleet: new EngineFleet(memoryEngine(memory)) } : {}),
      },
      attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
      retry: false,
      bulkhead: false,
      deadlineMs: false,
      fetch: service.fetch,
      clock,
      random: chanceFor(seed, `client ${nth}`),
    });
    callAtTimes(client, circuits, exponential(chanceFor(seed, `users ${nth}`), 1_000 / CALLS_PER_SECOND_EACH), watch);
  }

  const restartAt = DOWN_FROM + downMs;
  clock.schedule(DOWN_FROM, () => service.crash());
  clock.schedule(restartAt, () => frail.start());
  let until = restartAt;
  await clock.run(until, (share) => onProgress(share / 2));
  const isOver = (): boolean => watch.open === 0 && until - Math.max(watch.closedAt, restartAt) >= CALM_MS;
  while (!isOver() && until < restartAt + PATIENCE_MS && frail.deaths < ENOUGH) {
    until += 1_000;
    await clock.run(until);
    onProgress(0.5 + (until - restartAt) / PATIENCE_MS / 2);
  }

  const openFrom = DOWN_FROM + 2 * RESET_MS;
  const lastMinute = service.arrived.perSecond(restartAt - 60_000, restartAt, 1_000);
  return {
    share: service.arrived.between(openFrom, restartAt) / ((restartAt - openFrom) / 1_000) / callsPerSecond,
    mostPerSecond: Math.max(...lastMinute.map(({ value }) => value)),
    backSeconds: isOver() ? (watch.closedAt - restartAt) / 1_000 : Infinity,
    lostSeconds: (until - restartAt) / 1_000 - watch.answered.between(restartAt, until) / callsPerSecond,
    deaths: frail.deaths,
    requests: service.arrived.perSecond(0, until, 2_000),
  };
}

/** After an outage of each length. */
interface Sweep {
  readonly lostSeconds: readonly Point[];
  readonly longestBackSeconds: number;
  /** Outages after which the service was knocked over again. */
  readonly knockedOver: number;
}

async function sweep(
  policy: Policy,
  coldSlower: number,
  seed: number,
  onProgress: (share: number) => void,
): Promise<Sweep> {
  const runs: Run[] = [];
  for (const downMs of OUTAGES_MS) {
    runs.push(await outage(policy, { instances: FEW, downMs, coldSlower }, seed, () => {}));
    onProgress(runs.length / OUTAGES_MS.length);
  }
  return {
    lostSeconds: runs.map(({ lostSeconds }, nth) => ({ second: (OUTAGES_MS[nth] ?? 0) / 1_000, value: lostSeconds })),
    longestBackSeconds: Math.max(...runs.map(({ backSeconds }) => backSeconds)),
    knockedOver: runs.filter(({ deaths }) => deaths > 0).length,
  };
}

function meanOf(points: readonly Point[]): number {
  return points.reduce((sum, { value }) => sum + value, 0) / points.length;
}

type Bounds = readonly [atLeast: number, atMost: number];

const SHARES: Record<Main, Bounds> = {
  'ten probes, every 10 s': [0.4, 0.5],
  'every 10 s': [0.045, 0.055],
  'every 10 s, jittered': [0.04, 0.05],
  'growing to 120 s': [0.009, 0.011],
  'growing to 120 s, jittered': [0.009, 0.011],
  'growing to 30 s, jittered': [0.014, 0.017],
  'to 120 s, in a fleet': [0, 0.0001],
};
const WORST_SECOND = {
  'every 10 s': [215, 300],
  'every 10 s, jittered': [155, 215],
  'growing to 120 s': [250, 350],
  'growing to 120 s, jittered': [100, 150],
} satisfies Partial<Record<Main, Bounds>>;
const LOST_SECONDS = {
  'growing to 120 s': [30, 38],
  'growing to 120 s, jittered': [45, 53],
  'growing to 30 s, jittered': [15, 19],
} satisfies Partial<Record<Main, Bounds>>;
const LOST_IN_SWEEP: Record<Swept, Bounds> = {
  'every 10 s, jittered': [4.5, 7],
  'growing to 30 s, jittered': [14, 18.5],
  'growing to 30 s, jitter of 1': [20, 27],
  'growing to 120 s, jittered': [49, 59],
  'to 120 s, in a fleet': [42, 72],
};
const LONGEST = {
  'growing to 30 s, jittered': [33, 39],
  'growing to 120 s, jittered': [130, 150],
} satisfies Partial<Record<Swept, Bounds>>;
const KNOCKED_OVER: Record<Swept, Bounds> = {
  'every 10 s, jittered': [9, 10],
  'growing to 30 s, jittered': [1, 5],
  'growing to 30 s, jitter of 1': [0, 1],
  'growing to 120 s, jittered': [1, 2],
  'to 120 s, in a fleet': [1, 4],
};

export const halfOpen = experiment({
  name: 'half-open',
  title: 'Half-open',
  hypothesis:
    'A thousand instances that probe every 10 s send a service that is down a twentieth of what they send it on a good day; with ten probes each, nearly half. Where the wait grows it is a hundredth, and one probe for all of them where they share an opinion. Jitter keeps probes apart once the wait has grown; on a wait of 10 s it does little. But a wait that has grown is waited for when the service is back: with up to 120 s, three times as many calls are lost as with up to 30 s, for half a hundredth of the load. And one probe at a time does not protect a service that is cold: when its probes succeed, an instance lets all its calls through at once, and begins with 10 s again when they fail. Those that probe every 10 s knock it over again and again. Waits that have grown mostly save it, as they spread the return, and more jitter spreads it better than longer waits do. A fleet returns in one moment, and knocks it over after some outages.',
  parameters: {
    instances: INSTANCES,
    'calls per second each': CALLS_PER_SECOND_EACH,
    'down, s': DOWN_MS / 1_000,
    'first wait, s': RESET_MS / 1_000,
    'jitter, where it is not said': JITTER,
    'attempt timeout, ms': ATTEMPT_TIMEOUT_MS,
    'capacity, in calls of a good day': CAPACITY_SHARE,
    'times slower at the start': COLD_SLOWER,
    'warm after, s': WARM_UP_MS / 1_000,
    'queue that kills it, s of its work': BACKLOG_SECONDS,
    'back from that after, s': RESTART_MS / 1_000,
    'answer of the fleet’s engine, ms': ENGINE_MS,
    'outages of many lengths: instances': FEW,
    'outages of many lengths: s': OUTAGES_MS.map((ms) => ms / 1_000).join(', '),
  },
  async run(seed, onProgress) {
    const world = { instances: INSTANCES, downMs: DOWN_MS, coldSlower: COLD_SLOWER };
    const runs = await forEach(
      MAIN,
      (share) => onProgress(share * 0.6),
      (name, tell) => outage(POLICIES[name], world, seed, tell),
    );
    const warm = await forEach(
      SWEPT,
      (share) => onProgress(0.6 + share / 5),
      (name, tell) => sweep(POLICIES[name], 1, seed, tell),
    );
    const cold = await forEach(
      SWEPT,
      (share) => onProgress(0.8 + share / 5),
      (name, tell) => sweep(POLICIES[name], COLD_SLOWER, seed, tell),
    );
    return { runs, warm, cold };
  },
  findings: ({ runs, warm, cold }) => [
    ...MAIN.map((name) => ({
      of: name,
      claim: 'requests to the service that is down, as a share of those of a good day',
      value: runs[name].share,
      atLeast: SHARES[name][0],
      atMost: SHARES[name][1],
    })),
    {
      of: 'ten probes, every 10 s',
      claim: 'requests to the service that is down, against one probe',
      value: runs['ten probes, every 10 s'].share / runs['every 10 s'].share,
      atLeast: 8,
      atMost: 10,
    },
    ...(Object.keys(WORST_SECOND) as (keyof typeof WORST_SECOND)[]).map((name) => ({
      of: name,
      claim: 'requests in the worst second of the last minute',
      value: runs[name].mostPerSecond,
      atLeast: WORST_SECOND[name][0],
      atMost: WORST_SECOND[name][1],
    })),
    ...MAIN.map((name) => ({
      of: name,
      claim: `times that it is knocked over when it is back, and cold (at ${ENOUGH} it is left at that)`,
      value: runs[name].deaths,
      ...(name.includes('every 10 s') ? { atLeast: ENOUGH } : { atMost: 0 }),
    })),
    ...(Object.keys(LOST_SECONDS) as (keyof typeof LOST_SECONDS)[]).map((name) => ({
      of: name,
      claim: 'calls that get no answer though it is back, in seconds of all there are',
      value: runs[name].lostSeconds,
      atLeast: LOST_SECONDS[name][0],
      atMost: LOST_SECONDS[name][1],
      unit: 's',
    })),
    ...SWEPT.map((name) => ({
      of: name,
      claim: `the same after ${OUTAGES_MS.length} outages of many lengths, of a service that is not cold: the mean`,
      value: meanOf(warm[name].lostSeconds),
      atLeast: LOST_IN_SWEEP[name][0],
      atMost: LOST_IN_SWEEP[name][1],
      unit: 's',
    })),
    ...(Object.keys(LONGEST) as (keyof typeof LONGEST)[]).map((name) => ({
      of: name,
      claim: 'until all are back, in the worst of them',
      value: warm[name].longestBackSeconds,
      atLeast: LONGEST[name][0],
      atMost: LONGEST[name][1],
      unit: 's',
    })),
    ...SWEPT.map((name) => ({
      of: name,
      claim: `outages of ${OUTAGES_MS.length} after which it is knocked over, where it is cold`,
      value: cold[name].knockedOver,
      atLeast: KNOCKED_OVER[name][0],
      atMost: KNOCKED_OVER[name][1],
    })),
  ],
  figures: ({ runs, warm, cold }) => [
    {
      name: 'half-open',
      svg: lineChart({
        title: `Requests per second of ${INSTANCES.toLocaleString('en')} instances to a service that is down, and cold when it is back`,
        lines: Object.fromEntries(SHOWN.map((name) => [name, runs[name].requests])),
        y: 'requests per second',
        logarithmic: true,
        bands: [{ fromSecond: DOWN_FROM / 1_000, toSecond: (DOWN_FROM + DOWN_MS) / 1_000, label: 'down' }],
      }),
    },
    {
      name: 'half-open-lost',
      svg: lineChart({
        title: 'Seconds of calls that get no answer though the service is back, after outages of so many seconds',
        lines: Object.fromEntries(SWEPT.map((name) => [name, warm[name].lostSeconds])),
        x: 'seconds that it was down',
        y: 'seconds',
      }),
    },
    {
      name: 'half-open-knocked-over',
      svg: barChart({
        title: `Outages of ${OUTAGES_MS.length} after which a service that is cold is knocked over again`,
        bars: { '': Object.fromEntries(SWEPT.map((name) => [name, cold[name].knockedOver])) },
        y: 'outages',
      }),
    },
  ],
});
