// `npm test`: the suite in six environments, then the packed library in the runtimes. The last line counts it all.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { browserNames, findBrowser, installCommand } from './browsers.ts';
import { add, type Counts, countsLine, noCounts } from './counts.ts';
import { installABrowser } from './install-browser.ts';
import { testRuntimes } from './runtimes.ts';
import { findServer, serverNames } from './servers.ts';

if (process.argv.length > 2) {
  console.error('npm test runs everything. For a part of it: npx vitest run --project node test/model');
  process.exit(2);
}

if (!browserNames.some(findBrowser)) installABrowser();
const browsers = browserNames.filter(findBrowser);
const missingBrowsers = browserNames.filter((name) => !browsers.includes(name));

// Coverage is V8's: the engines that are not V8 run by themselves.
const v8 = ['node', 'node-only', 'happy-dom', 'workerd', ...browsers.filter((name) => name === 'chromium')];
const otherEngines = browsers.filter((name) => name !== 'chromium');

let counts = await vitest(v8, '--coverage');
// What takes the library as it is built waits for processes and clocks, and leaves a core to the other engines. Those take their
// turns: side by side, each waits for the other longer than its tests have patience.
const besides = await Promise.all([vitest(['built']), inTurn(otherEngines)]);
counts = besides.reduce(add, counts);
counts = add(counts, await vitest(['side-by-side']));
const runtimes = await testRuntimes();
counts = add(counts, runtimes.counts);

const environments = [...v8, ...otherEngines].filter((name) => name !== 'node-only');
console.log(`\nEnvironments: ${environments.join(', ')}\nRuntimes: ${runtimes.tested.join(', ')}`);
for (const name of missingBrowsers) notTested(name, installCommand(name).join(' '));
for (const name of serverNames) if (findServer(name) === undefined) notTested(name, `apt-get install ${name}`);
for (const name of runtimes.missing) notTested(name, 'npm ci');
console.log(countsLine(counts));
process.exitCode = counts.failed > 0 ? 1 : 0;

/** A laptop may lack something, and is told so at the end, where it cannot be missed. In CI that is a failure. */
function notTested(name: string, command: string): void {
  console.log(`NOT TESTED: ${name} is not installed here. To install it: ${command}`);
  if (process.env['CI'] === 'true') counts = add(counts, { ...noCounts, failed: 1 });
}

async function inTurn(projects: readonly string[]): Promise<Counts> {
  let sum = noCounts;
  for (const name of projects) sum = add(sum, await vitest([name]));
  return sum;
}

async function vitest(projects: readonly string[], ...options: string[]): Promise<Counts> {
  const filters = projects.flatMap((name) => ['--project', name]);
  const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...options, ...filters], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  let counts = noCounts;
  child.on('message', (message) => {
    counts = message as Counts;
  });
  const [code] = await once(child, 'close');
  // Coverage below its threshold, a crash: a run that went wrong without a test that failed still went wrong.
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}
