// The packed library, installed by name into an empty project, in every runtime that it promises to work in.
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { startFaultServer } from '../test/support/fault-server.ts';
import { add, type Counts, countsLine, noCounts } from './counts.ts';
import { installPackage } from './pack.ts';
import { runCommand } from './run-command.ts';

interface Runtime {
  readonly name: string;
  readonly path: string;
  /** Runs the smoke test and writes a JUnit report: the one format that all of them can write. */
  readonly args: (report: string, server: URL) => readonly string[];
}

const smokeTest = './smoke.test.mjs';

const nodeTest: Runtime['args'] = (report) => [
  '--test',
  ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
  ...['--test-reporter=junit', `--test-reporter-destination=${report}`],
  smokeTest,
];

const runtimes: readonly Runtime[] = [
  { name: 'Node 22', path: installedNode('node22'), args: nodeTest },
  { name: 'Node 24', path: installedNode('node24'), args: nodeTest },
  { name: 'Node 26', path: process.execPath, args: nodeTest },
  {
    name: 'Deno',
    path: resolve('node_modules/.bin/deno'),
    // No more rights than these: the library asks for none.
    args: (report, { host }) => [
      ...['test', '--no-check', `--allow-net=${host}`, '--allow-env=FAULT_SERVER'],
      ...[`--junit-path=${report}`, smokeTest],
    ],
  },
  {
    name: 'Bun',
    path: resolve('node_modules/.bin/bun'),
    args: (report) => ['test', '--reporter=junit', `--reporter-outfile=${report}`, smokeTest],
  },
];

export interface RuntimeResults {
  readonly counts: Counts;
  readonly tested: readonly string[];
  readonly missing: readonly string[];
}

export async function testRuntimes(): Promise<RuntimeResults> {
  const there = runtimes.filter(({ path }) => existsSync(path));
  const directory = mkdtempSync(join(tmpdir(), 'steadfetch-'));
  const server = await startFaultServer();
  let counts = noCounts;
  try {
    // With the peers of its entries.
    await installPackage(directory, ['ky', 'idb-keyval', '@opentelemetry/api']);
    copyFileSync('test/runtimes/smoke.test.mjs', join(directory, smokeTest));
    for (const runtime of there) counts = add(counts, await smoke(runtime, directory, new URL(server.url)));
  } finally {
    await server.close();
    rmSync(directory, { recursive: true });
  }
  const names = ({ name }: Runtime): string => name;
  return { counts, tested: there.map(names), missing: runtimes.filter((one) => !there.includes(one)).map(names) };
}

function installedNode(alias: string): string {
  return resolve(`node_modules/${alias}-${process.platform}-${process.arch}/bin/node`);
}

async function smoke({ name, path, args }: Runtime, directory: string, server: URL): Promise<Counts> {
  const report = join(directory, `${name}.xml`);
  const { ok, stdout, stderr } = await runCommand(path, args(report, server), directory, {
    FAULT_SERVER: server.origin,
    DENO_NO_UPDATE_CHECK: '1',
  });
  const reported = existsSync(report) ? countJunit(readFileSync(report, 'utf8')) : noCounts;
  const nothing = reported.passed === 0 && reported.failed === 0;
  const counts = reported.failed === 0 && (!ok || nothing) ? { ...reported, failed: 1 } : reported;
  console.log(`${counts.failed > 0 ? `${stdout}${stderr}\n` : ''}${name}: ${countsLine(counts)}`);
  return counts;
}

function countJunit(xml: string): Counts {
  const count = (pattern: RegExp): number => xml.match(pattern)?.length ?? 0;
  const failed = count(/<(failure|error)[\s>]/g);
  const skipped = count(/<skipped[\s/>]/g);
  return { passed: count(/<testcase[\s>]/g) - failed - skipped, failed, skipped };
}
