import type { Clock } from '../clock.ts';

/** Resolves after `delayMs`, or never if that is `Infinity`; rejects with the signal's reason as soon as it aborts. */
export function elapse(delayMs: number, signal: AbortSignal | null | undefined, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.schedule(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}
