import { globSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';

import { build } from 'esbuild';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../src', import.meta.url));

interface SourceFile {
  /** The path below src. */
  readonly path: string;
  /** The code without its comments, which may name what code may not. */
  readonly code: string;
  /** What the file asks for, types included: a path below src, or the name of a package. */
  readonly imports: readonly string[];
  /** What it still asks for when the types are gone. */
  readonly runtimeImports: readonly string[];
}

const files: readonly SourceFile[] = globSync('**/*.ts', { cwd: root }).sort().map(readSource);

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  const from = path.split(sep).join('/');
  return {
    path: from,
    code: withoutComments(text),
    imports: importsIn(withoutComments(text), from),
    runtimeImports: importsIn(withoutComments(stripTypeScriptTypes(text)), from),
  };
}

/** Strings are kept whole: a URL in one is not the beginning of a comment. */
function withoutComments(text: string): string {
  return text.replace(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\*[\s\S]*?\*\/|\/\/.*/g, (found) =>
    found.startsWith('/') ? '' : found,
  );
}

function importsIn(code: string, path: string): string[] {
  const specifiers = [...code.matchAll(/^(?:import|export)\b[^;']*?\bfrom\s*'([^']+)'|\bimport\s*\(?\s*'([^']+)'/gm)];
  return specifiers.map(([, from, bare]) => {
    const specifier = from ?? bare ?? '';
    return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : specifier;
  });
}

/** The files below a folder, or the one file. */
function within(place: string): readonly SourceFile[] {
  const found = files.filter(({ path }) => path === place || path.startsWith(`${place}/`));
  expect(found.length, `files in ${place}`).toBeGreaterThan(0);
  return found;
}

/** `importer → imported`, for each import that is not wanted. */
function unwanted(importers: readonly SourceFile[], isUnwanted: (imported: string) => boolean): string[] {
  return importers.flatMap(({ path, imports }) =>
    imports.filter(isUnwanted).map((imported) => `${path} → ${imported}`),
  );
}

/** `file: line`, for each line of code that matches. */
function mentions(pattern: RegExp): string[] {
  return files.flatMap(({ path, code }) =>
    code
      .split('\n')
      .filter((line) => pattern.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  );
}

/** Everything that is loaded with a file. */
function loadedWith(entry: string): Set<string> {
  const loaded = new Set<string>();
  const next = [entry];
  for (let path = next.pop(); path !== undefined; path = next.pop()) {
    if (loaded.has(path)) continue;
    loaded.add(path);
    next.push(...(files.find((file) => file.path === path)?.runtimeImports ?? []));
  }
  return loaded;
}

/** A chain of imports that leads from a file back to it. */
function cycleThrough(start: string): string[] | undefined {
  const seen = new Set<string>();
  const walk = (path: string, chain: readonly string[]): string[] | undefined => {
    for (const next of files.find((file) => file.path === path)?.runtimeImports ?? []) {
      if (next === start) return [...chain, next];
      if (seen.has(next)) continue;
      seen.add(next);
      const found = walk(next, [...chain, next]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return walk(start, [start]);
}

// The reading itself: rules about nothing hold always.

test('the import lines are read: several on one statement, types apart, comments left out', () => {
  const code = [
    "import { type Clock, platformClock } from './clock.ts';",
    "import type { Policy } from './policy.ts';",
    "import {\n  a,\n  b,\n} from '../checks.ts';",
    "export { c } from './c.ts';",
    "// import { d } from './d.ts';",
    "/* import { e } from './e.ts'; */",
    "const text = 'https://a.test/'; import 'package';",
    "await import('node:fs');",
  ].join('\n');
  const expected = ['http/clock.ts', 'http/policy.ts', 'checks.ts', 'http/c.ts', 'package', 'node:fs'];
  expect(importsIn(withoutComments(code), 'http/x.ts')).toEqual(expected);
  const runtime = importsIn(withoutComments(stripTypeScriptTypes(code)), 'http/x.ts');
  expect(runtime).toEqual(expected.filter((path) => path !== 'http/policy.ts'));
});

test('every relative import is a file of src', () => {
  const known = new Set(files.map(({ path }) => path));
  expect(known.size).toBeGreaterThan(30);
  expect(unwanted(files, (imported) => imported.endsWith('.ts') && !known.has(imported))).toEqual([]);
  expect(unwanted(within('client.ts'), () => true).length).toBeGreaterThan(10);
});

// The arrow: index → client → policies, http → model.

test('model/ imports nothing from outside model/', () => {
  expect(unwanted(within('model'), (imported) => !imported.startsWith('model/'))).toEqual([]);
});

test('policies/ know neither HTTP nor the client', () => {
  const above = (imported: string): boolean => /^(http\/|client|index\.ts|dependency|registry|call-log)/.test(imported);
  expect(unwanted(within('policies'), above)).toEqual([]);
});

test('http/ knows neither the policies nor the client', () => {
  const above = (imported: string): boolean => /^(policies\/|client\.ts|index\.ts|dependency|registry)/.test(imported);
  expect(unwanted(within('http'), above)).toEqual([]);
});

test('only index.ts imports the client, and nothing imports index.ts', () => {
  const others = files.filter(({ path }) => path !== 'index.ts');
  expect(unwanted(others, (imported) => imported === 'client.ts' || imported === 'index.ts')).toEqual([]);
});

test('index.ts gives names from elsewhere, and has nothing of its own', () => {
  for (const { code } of within('index.ts')) {
    const rest = code.replace(/^export (?:type )?\{[^}]*\} from '[^']+';/gm, '').trim();
    expect(rest).toBe('');
  }
});

test('nothing outside testing/ imports it', () => {
  const others = files.filter(({ path }) => !path.startsWith('testing/'));
  expect(unwanted(others, (imported) => imported.startsWith('testing/'))).toEqual([]);
});

test('nothing outside devtools/ imports it, and it needs of the rest but types, the clock, and how a value is shown', () => {
  const others = files.filter(({ path }) => !path.startsWith('devtools/'));
  expect(unwanted(others, (imported) => imported.startsWith('devtools/'))).toEqual([]);
  const needed = within('devtools').flatMap(({ runtimeImports }) => runtimeImports);
  expect([...new Set(needed.filter((path) => !path.startsWith('devtools/')))].sort()).toEqual([
    'checks.ts',
    'clock.ts',
  ]);
});

test('the one entry that does something by being imported is kept by bundlers, and it alone', () => {
  const { sideEffects, exports } = JSON.parse(readFileSync('package.json', 'utf8'));
  expect(sideEffects).toEqual([exports['./devtools'].default, './src/devtools/index.ts']);
});

test('no runtime import leads back to where it started', () => {
  expect(files.map(({ path }) => cycleThrough(path)).filter((cycle) => cycle !== undefined)).toEqual([]);
});

// No third-party code, no runtime by name.

test.for(['index.ts', 'devtools/index.ts', 'fleet/tabs.ts', 'health/index.ts', 'server-timing.ts', 'testing/index.ts'])(
  '%s loads no package and no module of a runtime',
  (entry) => {
    const loaded = [...loadedWith(entry)];
    expect(loaded.length).toBeGreaterThan(3);
    expect(loaded.filter((path) => !path.endsWith('.ts'))).toEqual([]);
  },
);

test('index.ts does nothing when it is loaded: it needs nothing but the language', async () => {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'index.ts')],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'steadfetch',
    target: 'es2022',
  });
  // Where there is no timer, no clock of the platform, no fetch and nothing to listen to.
  expect(runInNewContext(`${outputFiles[0]?.text}; typeof steadfetch.createClient`)).toBe('function');
});

test('no code names what only one runtime has', () => {
  const named = mentions(/\bprocess\.|\bBuffer\b|\brequire\(|\bglobal\.|\b__dirname\b|\bBun\b/);
  // Redis is for servers: those that have no base64 of JavaScript's yet have Buffer's.
  expect(named.filter((line) => !line.startsWith('stores/redis.ts:'))).toEqual([]);
});

test('only the panel knows a document, in the files that make elements and listen to the page', () => {
  const places = mentions(/\bdocument\b(?=\.)|\bcustomElements\b|\bHTMLElement\b/).map((line) => line.split(':')[0]);
  const makers = ['chart', 'dom', 'index', 'legend', 'panel', 'row'].map((name) => `devtools/${name}.ts`);
  expect([...new Set(places)]).toEqual(makers);
});

test('only http/webkit.ts asks for the engine, one that has to be known for what it does not tell, http/online.ts for a network, and fleet/tabs.ts for locks', () => {
  const places = mentions(/\bnavigator\b/).map((line) => line.split(':')[0]);
  expect([...new Set(places)]).toEqual(['fleet/tabs.ts', 'http/online.ts', 'http/webkit.ts']);
});

test('only clock.ts names Deno, to let a timer go', () => {
  expect(mentions(/\bDeno\b/).filter((line) => !line.startsWith('clock.ts:'))).toEqual([]);
});

// One door to time, one to chance.

test('only clock.ts asks the platform for the time', () => {
  const asks = mentions(/\bDate\.now\b|\bnew Date(?!\(\w)|\bperformance\b|\bAbortSignal\.timeout\b/);
  expect(asks.filter((line) => !line.startsWith('clock.ts:'))).toEqual([]);
  expect(asks.length).toBeGreaterThan(0);
});

test('only clock.ts waits by the platform, and the test clock, to let others have their turn', () => {
  const waits = mentions(/\b(?:setTimeout|setInterval|clearTimeout|setImmediate|MessageChannel)\b/);
  const places = new Set(waits.map((line) => line.split(':')[0]));
  expect([...places]).toEqual(['clock.ts', 'testing/fake-clock.ts']);
  expect(waits.filter((line) => /setInterval/.test(line))).toEqual([]);
});

test('chance is Math.random by default, and asked for by nobody', () => {
  expect(mentions(/\bMath\.random\(|\brandomUUID\b|\bgetRandomValues\b/)).toEqual([]);
});

test('only http/credentials.ts asks for cryptography, to keep credentials out of keys', () => {
  expect(mentions(/\bcrypto\b/).filter((line) => !line.startsWith('http/credentials.ts:'))).toEqual([]);
});

test('only its own store knows idb-keyval, only its adapter ky, and only otel/ OpenTelemetry', () => {
  const packages = files.flatMap(({ path, imports }) =>
    imports.filter((imported) => !imported.endsWith('.ts')).map((imported) => `${path} → ${imported}`),
  );
  expect(packages).toEqual(
    [
      'adapters/ky.ts → ky',
      'otel/gauges.ts → @opentelemetry/api',
      'otel/instrument.ts → @opentelemetry/api',
      'otel/metrics.ts → @opentelemetry/api',
      'otel/attributes.ts → @opentelemetry/api',
      'otel/tracing.ts → @opentelemetry/api',
      'stores/idb.ts → idb-keyval',
    ].sort(),
  );
});

// A file is named after what it is: the test tree follows.

test('only stores keep anything where the platform would: their users have asked for them', () => {
  const places = mentions(
    /\b(?:localStorage|sessionStorage|cookieStore|indexedDB|caches|document\.cookie|writeFile)\b/,
  );
  expect([...new Set(places.map((line) => line.split(':')[0]))]).toEqual(['stores/cache-api.ts', 'stores/idb.ts']);
});

test('names of files are in kebab-case', () => {
  expect(
    files.map(({ path }) => path).filter((path) => !/^([a-z]+(-[a-z]+)*\/)*[a-z]+(-[a-z]+)*\.ts$/.test(path)),
  ).toEqual([]);
});

test('the folders of src are the ones that the rules above are about', () => {
  const folders = new Set(files.map(({ path }) => relative('.', dirname(path)).split(sep)[0]));
  expect([...folders].sort()).toEqual([
    '',
    'adapters',
    'devtools',
    'fleet',
    'health',
    'http',
    'model',
    'otel',
    'policies',
    'stores',
    'testing',
  ]);
});
