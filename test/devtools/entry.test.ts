import { expect, test } from 'vitest';

import * as devtools from '../../src/devtools/index.ts';
import { createClient } from '../../src/index.ts';
import { scriptedFetch } from '../../src/testing/index.ts';

test('steadfetch/devtools can be imported anywhere, and defines its element where there are elements', () => {
  expect(Object.keys(devtools)).toEqual(['SteadfetchDevtools']);
  const defined = typeof customElements === 'undefined' ? undefined : customElements.get('steadfetch-devtools');
  expect(defined).toBe(typeof HTMLElement === 'undefined' ? undefined : devtools.SteadfetchDevtools);
});

if (typeof HTMLElement !== 'undefined') {
  test('the panel works where a page is only simulated, and nothing tells what can be seen', async () => {
    const client = createClient({ fetch: scriptedFetch([{ body: '1' }]) });
    const panel = document.createElement('steadfetch-devtools');
    await client.json('https://api.test/');
    panel.client = client;
    document.body.append(panel);
    expect(panel.shadowRoot?.textContent).toContain('https://api.test');
    panel.remove();
    expect(panel.shadowRoot?.textContent).not.toContain('https://api.test');
  });
}
