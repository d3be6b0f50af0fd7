import type { CircuitSnapshot, TransitionEvent } from 'steadfetch';

/** What a change of a circuit means to callers. */
export function transitionInWords({ from, to, retryAfterMs = 0 }: TransitionEvent): string {
  if (to === 'half-open') return 'The circuit is half-open: one call goes out, as a probe.';
  if (to === 'closed') return 'The probes succeeded: the circuit closes, and calls go out again.';
  const span = `${Math.round(retryAfterMs / 100) / 10} s`;
  return from === 'half-open'
    ? `The probe failed: the circuit is open for another ${span}.`
    : `The circuit opens: for ${span}, calls are not sent.`;
}

/** What a circuit is like now; nothing of one that nobody has asked for yet. */
export function circuitInWords(circuit: CircuitSnapshot | null | undefined): string {
  if (circuit === undefined) return '';
  if (circuit === null) return 'no circuit breaker';
  if (circuit.state !== 'open') return `circuit ${circuit.state}`;
  const { retryAfterMs } = circuit;
  return retryAfterMs
    ? `circuit open, a probe in ${Math.ceil(retryAfterMs / 1_000)} s`
    : 'circuit open, a probe is due';
}
