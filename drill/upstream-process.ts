import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

import type { TimedPhase } from './script.ts';
import type { FromUpstream, Seen, ToUpstream } from './upstream-messages.ts';

/** An upstream in its own process. If that process ends before `close()`, `failed` rejects. */
export interface Upstream {
  /** Where to send a call that is made in a phase. */
  urlFor(phase: number): string;
  /** The count as it was last reported, ten times a second. */
  readonly seen: Seen;
  /** Rejects if the process ends by itself, and never resolves. */
  readonly failed: Promise<never>;
  /** Resolves once the upstream behaves as the phase asks. */
  enter(phase: number, script: TimedPhase): Promise<void>;
  /** The exact count. */
  report(): Promise<Seen>;
  close(): void;
}

export async function startUpstream(): Promise<Upstream> {
  const child = fork(new URL('./upstream.ts', import.meta.url), {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    execArgv: [],
  });
  const failed = endOf(child);
  // Whoever races against it sees the rejection: when nobody does just now, it is no stray one.
  failed.catch(() => {});
  const tell = (message: ToUpstream): void => {
    if (child.connected) child.send(message);
  };
  const answerTo = <T>(pick: (message: FromUpstream) => T | undefined): Promise<T> =>
    Promise.race([failed, nextMessage(child, pick)]);

  let seen: Seen = { total: 0, byPhase: [] };
  child.on('message', (message: FromUpstream) => {
    if (message.type === 'seen') ({ seen } = message);
  });
  const port = await answerTo((message) => (message.type === 'listening' ? message.port : undefined));
  const url = `http://127.0.0.1:${port}`;
  // Also loads the platform's fetch, which no contender's first call should have to pay for.
  await fetch(`${url}/ready`).then((response) => response.text());

  return {
    urlFor: (phase) => `${url}/items?phase=${phase}`,
    get seen() {
      return seen;
    },
    failed,
    async enter(phase, { conduct, lastsMs }) {
      const entered = answerTo((message) =>
        message.type === 'conducting' && message.phase === phase ? true : undefined,
      );
      tell({ type: 'conduct', phase, conduct, lastsMs });
      await entered;
    },
    report() {
      const final = answerTo((message) => (message.type === 'seen' && message.final ? message.seen : undefined));
      tell({ type: 'report' });
      return final;
    },
    close() {
      // It exits when the channel to it is gone.
      if (child.connected) child.disconnect();
    },
  };
}

async function endOf(child: ChildProcess): Promise<never> {
  // Not 'close': it never comes once we have disconnected.
  const ended = once(child, 'exit');
  const complaint = child.stderr === null ? '' : await text(child.stderr);
  const [code, signal] = await ended;
  throw new Error(`An upstream process ended (${signal ?? `exit code ${code}`}). ${complaint}`.trim());
}

function nextMessage<T>(child: ChildProcess, pick: (message: FromUpstream) => T | undefined): Promise<T> {
  return new Promise((resolve) => {
    const onMessage = (message: FromUpstream): void => {
      const picked = pick(message);
      if (picked === undefined) return;
      child.off('message', onMessage);
      resolve(picked);
    };
    child.on('message', onMessage);
  });
}
