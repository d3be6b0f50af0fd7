import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';

import { resolveClient } from '../../src/client-options.ts';
import { Sentences } from '../docs/sentences.ts';
import { tableOf } from '../docs/tables.ts';
import { readSource } from './guide.ts';
import { newLayers } from './ours.ts';

const INDEX = 'docs/migration/index.md';
const index = new Sentences(INDEX);

const pages = globSync('docs/migration/*.md');
const guides = pages.filter((page) => !page.endsWith('index.md'));

test('the index has a row for each guide, and each guide a test', () => {
  expect(guides).toHaveLength(6);
  const index = readFileSync('docs/migration/index.md', 'utf8');
  const rows = Array.from(index.matchAll(/^\| \[[^\]]+\]\(([\w-]+\.md)\) \| [^|]+ \| [^|]+ \|$/gm), ([, page]) => page);
  expect(rows.toSorted()).toEqual(guides.map((page) => basename(page)).toSorted());
  expect(guides.filter((page) => !existsSync(`test/migration/${basename(page, '.md')}.node.test.ts`))).toEqual([]);
});

test.for(pages)('%s links to pages that there are', (page) => {
  const links = Array.from(readFileSync(page, 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g), ([, link = '']) => link);
  expect(links.filter((link) => !existsSync(join(dirname(page), link)))).toEqual([]);
});

test.for(guides)('%s names the versions that it is checked against', (page) => {
  const checked = /^Checked against ([^\n.;]*\d\.\d+)[^\n]*$/m.exec(readFileSync(page, 'utf8'))?.[0] ?? '';
  const versions = Array.from(checked.matchAll(/([@\w/-]+) (\d+\.\d+)/g));
  expect(versions.length).toBeGreaterThan(0);
  for (const [, name, version] of versions) {
    const { version: installed } = JSON.parse(readSource(`${name}/package.json`)) as { version: string };
    expect(`${name} ${version}`).toBe(`${name} ${installed.split('.').slice(0, 2).join('.')}`);
  }
});

/** What the index promises, by where the guide says it, whose sentences have tests of their own. */
const promises: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  'cockatiel.md': {
    'failures by status': /The client looks at the status/,
    'a circuit for each origin': /A policy has one of each, .* The client has them for each origin/,
    'aborts that are heard': /an abort is not heard; ours ends the wait at once/,
    'a deadline that covers the body': /Ours goes on to cover the body with the deadline/,
    'a budget for retries': /\*\*New: a budget\.\*\*/,
    'backoffs of your own': /^none: waits grow by a factor/m,
    'a share of probes that may fail': /^none: a probe that fails opens the circuit/m,
    '`isolate()` on a client': /^none for a client: `CircuitBreaker\.isolate/m,
    '`usePolicy`': /^`usePolicy`\n–\nnone$/m,
  },
  'opossum.md': {
    retries: /\*\*New: retries\.\*\*/,
    'one request aborted instead of all': /one timeout aborts all that use its signal.* Ours aborts the one request/,
    'refusals that count nowhere': /what it refuses counts nowhere/,
    'no timers': /an idle client has no timer/,
    'a circuit for each origin': /Ours has one for each origin/,
    '`open()` and `close()` by hand': /^`open`, `close`\n–\nnone for a client/m,
    '`healthCheck()`': /^`healthCheck`\n–\nnone/m,
    percentiles: /^`rollingPercentilesEnabled`.*\n–\nnone$/m,
  },
  'ffetch.md': {
    'a circuit that opens on 503s': /a service that answers 503 never reaches .* a 5xx is a failure/,
    'probes with one call': /ffetch lets all calls through\. Ours lets one through at a time/,
    'aborts that are heard': /an abort or a timeout is not heard .* Ours ends the wait at once/,
    'bodies that are sent again': /with a body is never sent again.* with a body that can be replayed/,
    'callers told apart': /headers do not count.* `Authorization` tells callers apart/,
    'hooks that transform': /^`hooks\.before`, `hooks\.transformRequest`, `hooks\.transformResponse`\n–\nnone/m,
    'a hash of your own for shared calls': /^`dedupeHashFn`\n.*\nnone/m,
  },
  'p-retry-p-limit.md': {
    '`Retry-After`': /p-retry does not know it\. The client waits at least so long/,
    'time limits that abort': /lets an attempt that hangs hang on\. .* abort the request/,
    'a limit for each origin': /Ours is for each origin/,
    'a breaker': /\*\*New: a breaker\.\*\*/,
    'a budget for retries': /\*\*New: a budget\.\*\*/,
    'a limit that changes as it runs': /^`limit\.concurrency`\n–\nnone: a limit is for good/m,
    'retries that do not count': /^`shouldConsumeRetry`\n.*\nnone: each retry counts/m,
    'waits that keep no process alive': /^`unref`\n.*\nnone: a wait for a retry keeps the process alive/m,
  },
  'axios-retry.md': {
    'orders that are not doubled': /\*\*Orders are not doubled\.\*\*/,
    'waits with jitter': /The client waits, with full jitter/,
    'a timeout for each attempt': /`attemptTimeoutMs` ends one attempt/,
    'a breaker': /\*\*New: a breaker, a bulkhead and a budget\*\*/,
    'a bulkhead': /\*\*New: a breaker, a bulkhead and a budget\*\*/,
    'a budget for retries': /\*\*New: a breaker, a bulkhead and a budget\*\*/,
    'axios may stay': /After, where axios stays/,
    'below axios: a retry when the body breaks off': /Below axios it is not repeated/,
    "and what only axios' `http` adapter knows": /What only axios' `http` adapter knows .* has no effect/,
  },
  'undici-retry-agent.md': {
    'the answer in place of an error': /the answer is lost.* `client\.fetch` gives the Response/,
    'bodies that are sent again': /RetryAgent cannot send one again.* The client sends a string/,
    jitter: /RetryAgent has none.* Ours spreads each wait/,
    'hangs that are retried': /A hang ends after `headersTimeout`, and is not retried\. .* is retried/,
    'a breaker': /\*\*New: a breaker, a bulkhead and a budget\*\*/,
    'a bulkhead': /\*\*New: a breaker, a bulkhead and a budget\*\*/,
    'a budget for retries': /\*\*New: a breaker, a bulkhead and a budget\*\*/,
    'downloads that go on where they broke off':
      /RetryAgent goes on where it broke off.* `client\.json` .* starts anew/,
    '`undici.request` and `stream`': /RetryAgent serves `undici\.request` and `stream` too; the client is a `fetch`/,
  },
};

test.for(tableOf(INDEX, 'Coming from another library', 'From').rows)(
  'what the index promises of %s is said by the guide',
  ([from = '', gain = '', lose = '']) => {
    const [, page = ''] = /\]\((.*)\)$/.exec(from) ?? [];
    for (const cell of [from, gain, lose]) index.says(new RegExp(cell.replaceAll(/[^\w\s]/g, '\\$&')));
    expect([gain, lose].flatMap((cell) => cell.split(/[,;] /))).toEqual(Object.keys(promises[page] ?? {}));
    const { text } = new Sentences(`docs/migration/${page}`);
    const broken = Object.entries(promises[page] ?? {}).filter(([, said]) => !said.test(text));
    expect(broken.map(([promise]) => promise)).toEqual([]);
  },
);

test('each guide has the call before and after, its options, and what changes, and goes by a test', () => {
  index.says(/Each page has the same call before and after, a table of every option, and what changes in behaviour\./);
  index.says(
    /What they say of either side is tested against the packages themselves, in the versions that they name\./,
  );
  for (const guide of guides) {
    const parts = readFileSync(guide, 'utf8').match(/Before:$|^After\b.*:$|^## .*$/gm) ?? [];
    const headings = ['## Option by option', '## What changes in behaviour'];
    expect(parts.filter((part) => part.startsWith('#'))).toEqual(headings);
    expect(parts[0]).toBe('Before:');
    expect(parts.length).toBeGreaterThanOrEqual(4);
    const own = readFileSync(`test/migration/${basename(guide, '.md')}.node.test.ts`, 'utf8');
    expect(own).toContain("each sentence of the guide has its test', () => {\n  expect(page.left()).toEqual([]);");
  }
});

test('a client has a breaker, a bulkhead and a budget, unless it is told to have none', async () => {
  index.says(/In each of them, a breaker, a bulkhead and a retry budget come along, which you may not have had\./);
  // That they do is what the lab finds.
  index.says(/They are there by default because retries alone make an outage worse/);
  index.says(/`breaker: false`, `bulkhead: false` and `retry: \{ budget: false \}` leave them out\./);
  const { breaker, bulkhead, budget } = resolveClient();
  for (const layer of [breaker, bulkhead, budget]) expect(layer).toBeTypeOf('object');
  expect((await newLayers.breaker()).off).toEqual([100, 501]);
  expect((await newLayers.bulkhead(129)).off).toEqual([0, 0]);
  expect((await newLayers.budget(100)).off).toEqual([100, 1]);
});

test('each sentence of the index has its test', () => {
  expect(index.unheld()).toEqual([]);
});
