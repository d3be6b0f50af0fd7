// What is bundled into a page of its own: the panel, and an outage to be shown. The page says what happened in its own
// words, for the picture to be compared with.
import '../../../src/devtools/index.ts';
import { outage } from './outage.ts';

interface Facts {
  readonly transitions: { readonly dependency: string; readonly to: string; readonly afterMs: number }[];
  /** What the callers of a dependency got, as they saw it. */
  readonly gotten: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

declare global {
  /** Plays so much of the outage, with the panel watching. */
  var play: (ms: number) => Promise<void>;
  var facts: () => Facts;
}

const shown = outage();
const transitions: Facts['transitions'] = [];
shown.client.subscribe((event) => {
  if (event.type !== 'transition') return;
  transitions.push({ dependency: event.dependency, to: event.to, afterMs: event.at - shown.startedAt });
});
const panel = document.createElement('steadfetch-devtools');
panel.client = shown.client;
document.querySelector('main')?.append(panel);
globalThis.play = (ms) => shown.play(ms);
globalThis.facts = () => ({ transitions, gotten: shown.gotten });
