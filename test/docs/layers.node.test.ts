import { afterEach, describe, expect, test, vi } from 'vitest';

import {
  Bulkhead,
  CircuitBreaker,
  type ClientOptions,
  compose,
  type FetchInit,
  type Policy,
  RetryBudget,
  retry,
  withDeadline,
  withTimeout,
} from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, origin, unfinished, url } from '../client/bench.ts';
import { losingAbortReasons } from '../support/engine.ts';
import { msOf } from './figures.ts';
import { Sentences } from './sentences.ts';
import { load, snippetsOf } from './snippets.ts';
import { tableOf } from './tables.ts';

const PAGE = 'docs/layers.md';
const { rows } = tableOf(PAGE, 'What counts as what', 'How an attempt ended');
const labels = rows.map(([label = '']) => label);

afterEach(() => void vi.unstubAllGlobals());

/** A call whose attempts end in the way that a row is about. */
interface Call {
  readonly step: ScriptStep;
  readonly use?: 'fetch' | 'json';
  readonly options?: ClientOptions;
  readonly input?: string;
  readonly init?: (clock: FakeClock) => FetchInit;
  /** How late timers are. */
  readonly lateMs?: number;
  /** Whether the device has a network. */
  readonly isOffline?: boolean;
}

/** What a row is about: what always ends as its first word says, and what ends as the last word of its verdict does. */
interface Endings {
  readonly calls: readonly Call[];
  readonly exceptions?: readonly Call[];
}

const reason = { why: 'the user left' };
const refused: Call = { step: new TypeError('Failed to fetch') };
const timedOut: Call = { step: 'hang', options: { attemptTimeoutMs: 500 } };
const answered = (status: number): Call => ({ step: status });

function abortAfter(clock: FakeClock): AbortSignal {
  const controller = new AbortController();
  clock.schedule(500, () => controller.abort(reason));
  return controller.signal;
}

const inherited = (clock: FakeClock): FetchInit => ({
  deadline: { signal: clock.timeoutSignal(500), remainingMs: () => 500 - clock.now() },
});

const numbersIn = (text: string): readonly number[] => Array.from(text.matchAll(/\d+/g), Number);
const range = (from: number, below: number): readonly number[] =>
  Array.from({ length: below - from }, (_, index) => from + index);
const without = (all: readonly number[], some: readonly number[]): readonly number[] =>
  all.filter((each) => !some.includes(each));

const LIST = /^\d+(, \d+)*$/;
const SUCCESSES = /^status below (\d+), but for (.+)$/;
const OTHERS = 'other 5xx';

/** The statuses that a row is about, as the page has them. */
function statusesOf(label: string): readonly number[] {
  if (LIST.test(label)) return numbersIn(label);
  const [, below = '', but = ''] = SUCCESSES.exec(label) ?? [];
  if (below !== '') return without(range(200, Number(below)), numbersIn(but));
  const listed = labels.filter((each) => LIST.test(each)).flatMap(numbersIn);
  return label === OTHERS ? without(range(500, 600), listed) : [];
}

/** Of a row with a figure in it, what it says. */
const LATE = /^an attempt timeout that comes over (.+) late: a frozen tab, a stopped process$/;

function endingsOf(label: string): Endings | undefined {
  const statuses = statusesOf(label);
  if (statuses.length > 0) return { calls: statuses.map(answered) };
  const [, late] = LATE.exec(label) ?? [];
  if (late !== undefined) return { calls: [{ ...timedOut, lateMs: msOf(late) + 1 }] };
  return byLabel[label];
}

const byLabel: Readonly<Record<string, Endings>> = {
  'network error, connection dropped; with `json` a body that breaks off or is not JSON': {
    calls: [
      refused,
      { ...refused, use: 'json' },
      { step: unfinished('{"a":', 'break'), use: 'json' },
      { step: { body: '<html>' }, use: 'json' },
    ],
  },
  'attempt timeout': {
    calls: [
      timedOut,
      { ...timedOut, step: unfinished('{"a":', 'hang'), use: 'json' },
      // What is no more than that is late for other reasons than the row about lateness has.
      { ...timedOut, lateMs: msOf(labels.map((label) => LATE.exec(label)?.[1]).find(Boolean) ?? '') },
    ],
  },
  'either, when the device is offline (`navigator.onLine`)': {
    calls: [refused, timedOut].map((call) => ({ ...call, isOffline: true })),
  },
  "the caller's abort": { calls: [{ step: 'hang', init: (clock) => ({ signal: abortAfter(clock) }) }] },
  'our deadline': {
    calls: [
      { step: 'hang', options: { deadlineMs: 500 } },
      { step: 'hang', options: { deadlineMs: 500, attemptTimeoutMs: 501 } },
    ],
    exceptions: [
      { step: 'hang', options: { deadlineMs: 500, attemptTimeoutMs: false } },
      { step: 'hang', init: () => ({ deadlineMs: 500, attemptTimeoutMs: false }) },
    ],
  },
  'a deadline handed on with `deadline`': {
    calls: [
      { step: 'hang', init: inherited },
      { step: 'hang', init: inherited, options: { attemptTimeoutMs: false } },
    ],
  },
  'invalid arguments (bad URL, GET with a body)': {
    calls: [
      { step: 200, input: 'https://a b/' },
      { step: 200, init: () => ({ body: 'text' }) },
    ],
  },
};

/** A clock whose timers come as late as it is told. */
class LateClock extends FakeClock {
  lateMs = 0;

  override schedule(delayMs: number, callback: () => void): () => void {
    return super.schedule(delayMs === 500 ? delayMs + this.lateMs : delayMs, callback);
  }
}

/** What a client made of a call, in the words of the table; its circuit had seen one failure. */
async function verdictOf(call: Call): Promise<{ breaker: string; retried: string; error: unknown }> {
  const clock = new LateClock();
  let step: ScriptStep = 501;
  const { client, upstream, events } = clientBench([() => step], {
    clock,
    breaker: { failureThreshold: 2 },
    retry: { initialDelayMs: 0 },
    ...call.options,
  });
  await client.fetch(url);
  await clock.advance(0);
  const stateNow = () => client.snapshot().dependencies[origin];
  const before = { events: events.length, sent: upstream.calls, calls: stateNow()?.counters.calls };
  step = call.step;
  clock.lateMs = call.lateMs ?? 0;
  if (call.isOffline === true) vi.stubGlobal('navigator', { onLine: false });
  let error: unknown;
  const over = client[call.use ?? 'fetch'](call.input ?? url, call.init?.(clock)).catch((thrown: unknown) => {
    error = thrown;
  });
  // Three attempts, at their latest.
  await clock.advance(3 * (500 + clock.lateMs));
  await over;
  vi.unstubAllGlobals();
  const retried = upstream.calls - before.sent > 1 ? 'yes' : 'no';
  if (stateNow()?.counters.calls === before.calls) {
    expect(events).toHaveLength(before.events);
    return { breaker: 'never', retried, error };
  }
  const { state, consecutiveFailures } = stateNow()?.breaker ?? {};
  const breaker = state === 'open' ? 'failure' : consecutiveFailures === 0 ? 'success' : 'ignored';
  const completed = events.findLast((event) => event.type === 'completed');
  expect(completed).toMatchObject({ outcome: breaker });
  return { breaker, retried, error };
}

const firstWord = (text = ''): string => /^\w+/.exec(text)?.[0] ?? '';
const lastWord = (text = ''): string => /\w+$/.exec(text)?.[0] ?? '';

test('each row of the table has its driver, each driver its row, and each status one row', () => {
  expect(labels.filter((label) => endingsOf(label) === undefined)).toEqual([]);
  expect(Object.keys(byLabel).filter((label) => !labels.includes(label))).toEqual([]);
  expect(labels.filter((label) => LATE.test(label))).toHaveLength(1);
  expect(labels.flatMap(statusesOf).sort()).toEqual(range(200, 600));
});

test.for(rows)('docs/layers.md says what comes of: %s', async ([label = '', breaker, retried]) => {
  const { calls = [], exceptions = [] } = endingsOf(label) ?? {};
  expect(calls.length).toBeGreaterThan(0);
  for (const call of calls) {
    const told = { step: call.step, breaker: firstWord(breaker), retried };
    expect({ step: call.step, ...(await verdictOf(call)) }).toMatchObject(told);
  }
  for (const call of exceptions) {
    expect(await verdictOf(call)).toMatchObject({ breaker: lastWord(breaker), retried });
  }
});

test("docs/layers.md: the caller's abort passes through untouched", async () => {
  for (const call of byLabel["the caller's abort"]?.calls ?? []) expect((await verdictOf(call)).error).toBe(reason);
});

test('docs/layers.md: our deadline is a failure after an attempt of the call that failed', async () => {
  const call: Call = { step: 'hang', options: { deadlineMs: 700, attemptTimeoutMs: 500, retry: { jitter: 0 } } };
  const row = rows.find(([label]) => label === 'our deadline');
  const { breaker, error } = await verdictOf(call);
  expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(row?.[1]).toMatch(new RegExp(`, or after an attempt of the call that failed, a ${breaker}$`));
});

const page = new Sentences(PAGE);

test.for(['TypeError', 'AbortError', 'TimeoutError', 'NetworkError', 'DeadlineExceededError'])(
  'docs/layers.md: the verdict never comes from the name of an error, %s, and callers see the same one everywhere',
  async (name) => {
    page.says(/The verdict comes from our own signals and from what was asked, never from an error's name/);
    page.says(/callers see the same error everywhere\./);
    const odd = Object.assign(new Error('of the engine'), { name });
    const given = async (ends: 'at once' | 'aborted', init: (clock: FakeClock) => FetchInit = () => ({})) => {
      const clock = new FakeClock();
      let sent = 0;
      const { client, events } = clientBench([200], {
        clock,
        attemptTimeoutMs: 500,
        retry: { maxAttempts: 2, initialDelayMs: 0 },
        fetch: (_input, inner) => {
          sent += 1;
          if (ends === 'at once') return Promise.reject(odd);
          return new Promise((_, reject) => inner?.signal?.addEventListener('abort', () => reject(odd)));
        },
      });
      const error = errorOf(client.fetch(url, init(clock)));
      await clock.advance(1_000);
      return { error: await error, sent, outcome: events.find((event) => event.type === 'completed')?.outcome };
    };
    expect(await given('at once')).toEqual({ error: odd, sent: 2, outcome: 'failure' });
    expect(await given('aborted')).toMatchObject({ error: { code: 'ATTEMPT_TIMEOUT' }, sent: 2, outcome: 'failure' });
    expect(await given('aborted', () => ({ deadlineMs: 400 }))).toMatchObject({
      error: { code: 'DEADLINE_EXCEEDED' },
      sent: 1,
      outcome: 'ignored',
    });
    const left = await given('aborted', (clock) => ({ attemptTimeoutMs: 900, signal: abortAfter(clock) }));
    expect(left).toEqual({ error: reason, sent: 1, outcome: 'ignored' });
  },
);

test('docs/layers.md names the engines in which a test sees a body read rejected with an error of their own', () => {
  const [names = ''] = page.says(
    /a body read after `client\.fetch` has handed out the Response: when the deadline cuts it, ([\w, ]+) reject the read with an error of their own in place of `DeadlineExceededError`\./,
  );
  const engines = names.toLowerCase().split(/, | and /);
  expect(engines.sort()).toEqual(losingAbortReasons.toSorted());
  // In all engines it is test/faults/silence.test.ts that sees it.
  page.says(/With `client\.json` it is the same everywhere\./);
});

describe('docs/layers.md: the layers alone', () => {
  const [snippet] = snippetsOf(PAGE);

  test('the snippet works around any operation, outermost first', async () => {
    page.says(/Each layer works around any async operation:/);
    page.says(/Outermost first; `execute\(operation, \{ signal \}\)` is the one shape/);
    const asked: unknown[] = [];
    const query = async (sql: string, { signal }: { signal: AbortSignal }) => {
      asked.push([sql, signal.aborted]);
      if (asked.length < 3) throw new Error('not yet');
      return ['1'];
    };
    vi.stubGlobal('query', query);
    // The waits between attempts.
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const printed = vi.spyOn(console, 'log').mockReturnValue();
    await load('layers', snippet);
    expect(asked).toEqual(new Array(3).fill(['select 1', false]));
    expect(printed).toHaveBeenCalledWith(['1']);
    vi.restoreAllMocks();
    const order = Array.from(snippet?.code.matchAll(/^ {2}(?:new )?(\w+)\(/gm) ?? [], ([, name]) => name);
    expect(order).toEqual(['withDeadline', 'Bulkhead', 'CircuitBreaker', 'retry', 'withTimeout']);
  });

  test('an operation is told its signal and its attempt, in each layer', async () => {
    page.says(/an operation is told its `signal` and the number of its `attempt`\./);
    const [outer, caller] = [withDeadline(2_000), new AbortController()];
    const each: readonly Policy[] = [outer, new Bulkhead(), new CircuitBreaker(), retry(), withTimeout(500)];
    for (const layer of each) {
      const told = await layer.execute(async ({ signal, attempt }) => ({ signal, attempt }), { signal: caller.signal });
      expect(told).toEqual({ signal: expect.any(AbortSignal), attempt: 1 });
    }
    const clock = new FakeClock();
    const attempts: number[] = [];
    const failing = compose(retry({ maxAttempts: 3, initialDelayMs: 0, clock })).execute(({ attempt }) => {
      attempts.push(attempt);
      throw new Error('broken');
    });
    await expect(failing).rejects.toThrow('broken');
    expect(attempts).toEqual([1, 2, 3]);
  });

  test('a breaker and a bulkhead have what the page says', () => {
    const membersOf = (name: string): readonly string[] => {
      const [list = ''] = page.says(new RegExp(`\`${name}\` has ([^;]*);`));
      return Array.from(list.matchAll(/`(\w+)(?:\(\))?`/g), ([, member = '']) => member);
    };
    const [breaker, bulkhead] = [membersOf('CircuitBreaker'), membersOf('Bulkhead')];
    expect(breaker).toEqual(['state', 'isolate', 'reset', 'subscribe', 'snapshot', 'restore']);
    expect(bulkhead).toEqual(['running', 'queued', 'close']);
    expect(breaker.filter((name) => !(name in new CircuitBreaker()))).toEqual([]);
    expect(new Bulkhead({ maxConcurrent: 3, maxQueued: 2 })).toMatchObject({
      running: 0,
      queued: 0,
      maxConcurrent: 3,
      maxQueued: 2,
      close: expect.any(Function),
    });
  });

  test('a RetryBudget can be shared by several retry({ budget })', async () => {
    page.says(/a `RetryBudget` can be shared by several `retry\(\{ budget \}\)`\./);
    const clock = new FakeClock();
    const budget = new RetryBudget({ ratio: 0, minPerSecond: 1, clock });
    const attempts = async (): Promise<number> => {
      let made = 0;
      await errorOf(
        retry({ budget, maxAttempts: 9, initialDelayMs: 0, clock }).execute(() => {
          made += 1;
          throw new Error('broken');
        }),
      );
      return made;
    };
    const first = await attempts();
    expect(first).toBeGreaterThan(1);
    // What the first has spent, the second has not.
    expect(await attempts()).toBe(1);
  });
});

test('docs/layers.md: each sentence has its test, beside the rows', () => {
  expect(page.unheld((words) => rows.flat().includes(words))).toEqual([]);
});
