// The types of `steadfetch/devtools` on npm: what the entry has, and the element by its name in `createElement`. They are
// beside the entry because JSR takes no module that adds to global types.
import type { SteadfetchDevtools } from './panel.ts';

export * from './index.ts';

declare global {
  interface HTMLElementTagNameMap {
    'steadfetch-devtools': SteadfetchDevtools;
  }
}
