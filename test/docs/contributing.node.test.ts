import { existsSync, globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const page = readFileSync('CONTRIBUTING.md', 'utf8');
const namesIn = (text: string, pattern: RegExp): string[] =>
  Array.from(text.matchAll(pattern), ([, name = '']) => name).sort();

test('CONTRIBUTING.md names commands that there are', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  const named = namesIn(page, /`npm (?:run )?(?!run`|publish)([\w:-]+)(?: [^`]*)?`/g);
  expect(named.length).toBeGreaterThan(15);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
  expect(existsSync('.ci/run')).toBe(true);
});

test('CONTRIBUTING.md names the projects of the tests', () => {
  const [list = ''] = /projects: .* \|$/m.exec(page) ?? [];
  const config = readFileSync('vitest.config.ts', 'utf8');
  const projects = namesIn(config, /\b(?:project|nodeOnly|browser)\('([\w-]+)'/g);
  expect(namesIn(list.replaceAll(/`x\.[\w.]+`/g, ''), /`([\w-]+)`/g)).toEqual(projects);
});

const [, tree = ''] = /## Where things are.*?```\n(src\/\n.*?)```/s.exec(page) ?? [];

test('CONTRIBUTING.md shows each file and each folder of src', () => {
  const inSource = tree.split('\n').filter((line) => /^[├└│]/.test(line));
  const there = globSync('*', { cwd: 'src', withFileTypes: true });
  const names = there.map((each) => (each.isDirectory() ? `${each.name}/` : each.name));
  const words = inSource.join(' ').split(/[\s,;:]+/);
  expect(names.length).toBeGreaterThan(40);
  expect(names.filter((name) => !words.includes(name))).toEqual([]);
});

test('CONTRIBUTING.md shows no file and no folder that is not there', () => {
  const files = namesIn(tree, /(?<![\w/-])([\w-]+\.ts)\b/g);
  const there = globSync(['src/**/*.ts', 'docs/.vitepress/*.ts']);
  expect(files.length).toBeGreaterThan(50);
  expect(files.filter((name) => !there.some((path) => path.endsWith(`/${name}`)))).toEqual([]);
  const folders = namesIn(tree, /^([\w-]+\/) /gm);
  const [tests = ''] = /^test\/ +.*?(?=^api\/)/ms.exec(tree) ?? [];
  const inTests = namesIn(tests, /[\s,]([\w-]+\/) /g);
  expect(inTests).toContain('properties/');
  expect([...folders, ...inTests.map((name) => `test/${name}`)].filter((path) => !existsSync(path))).toEqual([]);
});

test('the picture of the layers is the same in README.md and CONTRIBUTING.md', () => {
  const [picture = ''] = /^fallback → .* → fetch$/m.exec(readFileSync('README.md', 'utf8')) ?? [];
  expect(picture.split(' → ')).toHaveLength(7);
  expect(page).toContain(`\n${picture}\n`);
});
