import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { beforeAll, expect, test } from 'vitest';

import { entries } from '../../tools/entries.ts';
import { npm } from '../../tools/pack.ts';

// What `npm publish` would send.

interface Packed {
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

let packed: Packed;
let paths: readonly string[] = [];

beforeAll(async () => {
  [packed] = JSON.parse(await npm('.', 'pack', '--dry-run', '--json')) as [Packed];
  paths = packed.files.map(({ path }) => path);
}, 60_000);

// The code that several entries share.
const shared = ['dist/shared.js', 'dist/fleet/shared.js'];

test('the package has its entries, what they share, maps, declarations and what npm shows, and nothing else', () => {
  const code = [...entries.map((entry) => entry.code.slice(2)), ...shared];
  const declarations = globSync('src/**/*.ts').map((path) => path.replace(/^src(.*)\.ts$/, 'dist$1.d.ts'));
  const shown = ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'];
  const expected = [...code, ...code.map((path) => `${path}.map`), ...declarations, ...shown];
  expect([...paths].sort()).toEqual(expected.sort());
  expect(entries.map(({ types }) => types.slice(2)).filter((path) => !paths.includes(path))).toEqual([]);
});

test('every file of the package that another one asks for is in it, and nothing is shared by nobody', () => {
  const asked = paths
    .filter((path) => /\.(?:js|d\.ts)$/.test(path))
    .flatMap((path) => {
      const text = readFileSync(path, 'utf8');
      const specifiers = text.matchAll(
        /^(?:import|export)\b[^;]*?["'](\.[^"']+)["'];$|^\} from ["'](\.[^"']+)["'];$/gm,
      );
      return Array.from(specifiers, ([, one, other]) => posix.join(posix.dirname(path), one ?? other ?? ''));
    })
    // A declaration may name another by the name of its source.
    .map((path) => (paths.includes(path) ? path : path.replace(/\.ts$/, '.d.ts')));
  expect(asked.length).toBeGreaterThan(100);
  expect(asked.filter((path) => !paths.includes(path))).toEqual([]);
  expect(shared.filter((path) => !asked.includes(path))).toEqual([]);
});

test('maps have the sources in them: the package has none', () => {
  const maps = paths.filter((path) => path.endsWith('.js.map'));
  for (const path of maps) {
    const { sources, sourcesContent } = JSON.parse(readFileSync(path, 'utf8'));
    expect(sources.length).toBeGreaterThan(0);
    expect(sourcesContent.map((text: unknown) => typeof text)).toEqual(sources.map(() => 'string'));
  }
});

// 428 kB and 1.54 MB in November 2026, of which three fifths are maps.
test('the package takes half a megabyte on the way, and less than two where it is installed', () => {
  expect(packed.size).toBeLessThan(480_000);
  expect(packed.unpackedSize).toBeLessThan(1_700_000);
});
