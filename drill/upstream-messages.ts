import type { Conduct } from './script.ts';

/** What the drill tells its upstream. */
export type ToUpstream =
  | { readonly type: 'conduct'; readonly phase: number; readonly conduct: Conduct; readonly lastsMs: number }
  | { readonly type: 'report' };

/** What the upstream tells the drill. */
export type FromUpstream =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'conducting'; readonly phase: number }
  | { readonly type: 'seen'; readonly seen: Seen; readonly final: boolean };

/** Requests that have reached the upstream, whatever became of them. */
export interface Seen {
  readonly total: number;
  /** By the phase in which their call was made, as their URL tells: a retry belongs where its call does. */
  readonly byPhase: readonly number[];
}
