const DEADLINE_MS = 60_000;
const ATTEMPT_MS = 30_000;

/**
 * What the layers do, in one plain function, and nothing else that a library does: no options, no events, no backoff, no
 * half-open circuit, no queue. No floor: it sets two timers for each call, and they could be shared.
 */
export function byHand(inner: typeof fetch): typeof fetch {
  let running = 0;
  let failures = 0;
  return async (url, init) => {
    if (failures >= 5 || running >= 64) throw new Error('refused');
    running += 1;
    const controller = new AbortController();
    const { signal } = controller;
    const abort = (): void => controller.abort(init?.signal?.reason);
    init?.signal?.addEventListener('abort', abort);
    const deadline = setTimeout(abort, DEADLINE_MS);
    try {
      for (let attempt = 1; ; attempt += 1) {
        const timeout = setTimeout(abort, ATTEMPT_MS);
        try {
          const response = await inner(url, { ...init, signal });
          const failed = response.status >= 500;
          failures = failed ? failures + 1 : 0;
          if (!failed || attempt === 3) return response;
        } catch (error) {
          failures += 1;
          if (attempt === 3) throw error;
        } finally {
          clearTimeout(timeout);
        }
      }
    } finally {
      running -= 1;
      clearTimeout(deadline);
      init?.signal?.removeEventListener('abort', abort);
    }
  };
}
