/** A way in which the server can be broken. */
export type Breakage = 'errors' | 'hangs' | 'resets' | 'slow' | 'flaky' | 'overloaded';

/** What each is called, and what it does. */
export const breakages: Readonly<Record<Breakage, { readonly label: string; readonly does: string }>> = {
  errors: { label: '503', does: 'answers 503 to everything' },
  hangs: { label: 'Hang', does: 'takes requests and never answers' },
  resets: { label: 'Reset', does: 'resets all connections' },
  slow: { label: 'Slow ×10', does: 'takes ten times as long' },
  flaky: { label: 'Flaky 30 %', does: 'answers 503 to three in ten' },
  overloaded: { label: 'Overload', does: 'has more to do for others than it can' },
};
