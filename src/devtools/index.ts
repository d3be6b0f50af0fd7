/**
 * A panel for the page, `<steadfetch-devtools>`: it is defined as this is imported.
 * @module steadfetch/devtools
 */

import { SteadfetchDevtools } from './panel.ts';

export { SteadfetchDevtools, type WatchedClient } from './panel.ts';

// On a server there is nothing to define it in; and another copy of the library may have been first.
if (typeof customElements !== 'undefined' && customElements.get('steadfetch-devtools') === undefined) {
  customElements.define('steadfetch-devtools', SteadfetchDevtools);
}
