// What machines say, for people.

const REASONS: Readonly<Record<string, string>> = {
  network: 'the shop can’t be reached',
  offline: 'you are offline',
  'circuit-open': 'the shop is down, and we give it a rest',
  'attempt-timeout': 'the shop does not answer',
  'deadline-exceeded': 'the shop does not answer',
  'bulkhead-full': 'there is too much going on',
};

/** Why a call failed, as an answer from the store would say it. */
export function reasonOf(error: unknown): string {
  if (!navigator.onLine) return 'offline';
  const { response, code } = error as { readonly response?: Response; readonly code?: unknown };
  if (response !== undefined) return `status-${response.status}`;
  return typeof code === 'string' ? code.toLowerCase().replaceAll('_', '-') : 'network';
}

/** The same, as a sentence. */
export function inASentence(reason: string): string {
  const words = reasonInWords(reason);
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

export function reasonInWords(reason: string): string {
  return REASONS[reason] ?? 'the shop answers with an error';
}

export function ago(ms: number): string {
  if (ms < 1_500) return 'a moment ago';
  if (ms < 60_000) return `${Math.round(ms / 1_000)} seconds ago`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 60) return minutes === 1 ? 'a minute ago' : `${minutes} minutes ago`;
  const hours = Math.round(minutes / 60);
  return hours === 1 ? 'an hour ago' : `${hours} hours ago`;
}
