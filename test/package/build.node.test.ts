import { expect, test } from 'vitest';

import config from '../../rolldown.config.ts';

test.for([
  { id: '@opentelemetry/api', external: true },
  { id: 'idb-keyval', external: true },
  { id: './client.ts', external: false },
  { id: '../checks.ts', external: false },
  // rolldown asks for what it has found, too.
  { id: '/home/me/steadfetch/src/client.ts', external: false },
  { id: 'C:\\me\\steadfetch\\src\\client.ts', external: false },
])('the build leaves out $id: $external', ({ id, external }) => {
  expect((config as { external: RegExp }).external.test(id)).toBe(external);
});
