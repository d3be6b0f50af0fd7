import fc from 'fast-check';
import { expect, test } from 'vitest';

import { defaultStatus, degradation, storedStatus } from '../../src/http/cache-status.ts';
import type { Degradation } from '../../src/result.ts';
import { RUNS } from '../properties/bench.ts';

function responseWith(cacheStatus: string, age?: string): Response {
  return new Response(null, { headers: { 'cache-status': cacheStatus, ...(age === undefined ? {} : { age }) } });
}

// storedStatus(), defaultStatus(): what we write.

const written: readonly (readonly [member: string, expected: string])[] = [
  [storedStatus(60_000, undefined), 'steadfetch; hit; ttl=60'],
  [storedStatus(0, undefined), 'steadfetch; hit; ttl=0'],
  [storedStatus(1_999, undefined), 'steadfetch; hit; ttl=1'],
  [storedStatus(-1, 'network'), 'steadfetch; hit; ttl=-1; detail="degraded: network"'],
  [storedStatus(-90_000, 'status-503'), 'steadfetch; hit; ttl=-90; detail="degraded: status-503"'],
  [defaultStatus('circuit-open'), 'steadfetch; fwd=miss; detail="degraded: circuit-open"'],
];

test.for(written)('storedStatus() and defaultStatus() write a member of RFC 9211: %s', ([member, expected]) => {
  expect(member).toBe(expected);
});

// degradation(): what we read.

const cached: Degradation = { source: 'cache', reason: 'status-503', ageMs: 90_000 };
const given: Degradation = { source: 'default', reason: 'network', ageMs: 0 };
const staleHit = storedStatus(-30_000, 'status-503');
const byDefault = defaultStatus('network');

test('degradation() is undefined without Cache-Status, whatever the age', () => {
  expect(degradation(new Response('fine'))).toBeUndefined();
  expect(degradation(new Response('fine', { headers: { age: '90' } }))).toBeUndefined();
});

test('degradation() is undefined for a stored answer, while all is well', () => {
  expect(degradation(responseWith(storedStatus(30_000, undefined), '30'))).toBeUndefined();
});

test('degradation() reads a stored answer and its age, and a default, which has none', () => {
  expect(degradation(responseWith(staleHit, '90'))).toEqual(cached);
  expect(degradation(responseWith(byDefault))).toEqual(given);
  expect(degradation(responseWith(byDefault, '90'))).toEqual(given);
});

test('degradation() is the same for a clone, for a copy with the same headers, and for anything that has headers', () => {
  const response = responseWith(staleHit, '90');
  expect(degradation(response.clone())).toEqual(cached);
  expect(degradation(new Response('copy', { headers: response.headers }))).toEqual(cached);
  expect(degradation({ headers: response.headers })).toEqual(cached);
});

const members: readonly (readonly [header: string, expected: Degradation | undefined])[] = [
  // Beside the members of others.
  [`ExampleCache; hit, ${staleHit}`, cached],
  [`${staleHit}, ExampleCache; hit`, cached],
  [`OriginCache; fwd=uri-miss; stored, ${staleHit}, "CDN Company Here"; hit; ttl=545`, cached],
  [`,, ,${staleHit},,`, cached],
  // The nearest of ours that is degraded counts: the last.
  [`${byDefault}, ${staleHit}`, cached],
  [`${staleHit}, ${byDefault}`, given],
  // Fresh from the store what came degraded from a hop before: it still is.
  [`${staleHit}, ${storedStatus(5_000, undefined)}`, cached],
  // Commas, semicolons and quotes in strings separate nothing.
  [`Other; detail="a, b", ${staleHit}`, cached],
  [`Other; detail="a \\", steadfetch; hit", ${staleHit}`, cached],
  [`Other; key="x"; detail="\\\\", ${staleHit}`, cached],
  [`Other; detail="x, ${byDefault.replaceAll('"', '\\"')}"`, undefined],
  [`"steadfetch; hit; detail="`, undefined],
  // Ours, with what others have added, or written in their way.
  ['steadfetch; detail="degraded: status-503"; hit', cached],
  ['steadfetch;hit;detail="degraded: status-503"', cached],
  ['  steadfetch ;  hit;\tttl=-1 ;  detail="degraded: status-503" ', cached],
  ['Steadfetch; hit; detail="degraded: status-503"', cached],
  ['steadfetch; hit; key="a, b"; detail="degraded: status-503"', cached],
  // Others', which may say the same.
  ['othercache; hit; detail="degraded: status-503"', undefined],
  ['steadfetch2; hit; detail="degraded: status-503"', undefined],
  ['not-steadfetch; hit; detail="degraded: status-503"', undefined],
  ['"steadfetch"; hit; detail="degraded: status-503"', undefined],
  ['other steadfetch; hit; detail="degraded: status-503"', undefined],
  // Ours, but not what we write.
  ['steadfetch', undefined],
  ['steadfetch; hit', undefined],
  ['steadfetch; hit; detail=degraded', undefined],
  ['steadfetch; hit; detail="degraded"', undefined],
  ['steadfetch; hit; detail="degraded: "', undefined],
  ['steadfetch; hit; detail="upgraded: status-503"', undefined],
  ['steadfetch; hit; xdetail="degraded: status-503"', undefined],
  ['steadfetch; hit; detail="degraded: a\\"b"', undefined],
  [`steadfetch; hit; detail="degraded: ${'x'.repeat(100)}"`, undefined],
  // Cut off.
  ['steadfetch; hit; detail="degraded: status-503', undefined],
  ['"steadfetch; hit', undefined],
  ['', undefined],
];

test.for(members)('degradation() of an answer of 90 s with Cache-Status %j is %j', ([header, expected]) => {
  expect(degradation(responseWith(header, '90'))).toEqual(expected);
});

test('degradation() does not take a word in a string of its own member for a hit', () => {
  const header = 'steadfetch; fwd=miss; key="a; hit"; detail="degraded: network"';
  expect(degradation(responseWith(header))).toEqual(given);
});

test('degradation() reads several Cache-Status headers as one', () => {
  const response = responseWith('OriginCache; hit', '90');
  response.headers.append('cache-status', staleHit);
  response.headers.append('cache-status', 'EdgeCache; fwd=miss');
  expect(degradation(response)).toEqual(cached);
});

const ageHeaders: readonly (readonly [age: string | undefined, ageMs: number])[] = [
  [undefined, 0],
  ['', 0],
  ['0', 0],
  ['90', 90_000],
  [' 90 ', 90_000],
  ['999999999999', 999_999_999_999_000],
  ['-5', 0],
  ['5.5', 0],
  ['1e3', 0],
  ['old', 0],
  ['9999999999999', 0],
  ['99999999999999999999', 0],
];

test.for(ageHeaders)('degradation() with Age %j has an age of %d ms', ([age, ageMs]) => {
  expect(degradation(responseWith(staleHit, age))).toEqual({ ...cached, ageMs });
});

test('degradation() reads back what is written, between any members of others', () => {
  const string = fc
    .array(fc.constantFrom('a', ',', ';', ' ', '\\"', '\\\\', '=', 'steadfetch', 'hit', 'detail'))
    .map((text) => text.join(''));
  const parameter = fc.oneof(
    fc.constantFrom('; hit', '; fwd=miss', '; ttl=-5', '; stored'),
    string.map((text) => `; detail="${text}"`),
    string.map((text) => `; key="${text}"`),
  );
  const other = fc
    .tuple(fc.constantFrom('Other', '"A, CDN"', 'steadfetch-like'), fc.array(parameter, { maxLength: 3 }))
    .map(([name, parameters]) => name + parameters.join(''));
  const reason = fc.constantFrom('network', 'status-503', 'circuit-open', 'error');
  fc.assert(
    fc.property(
      fc.array(other, { maxLength: 3 }),
      fc.array(other, { maxLength: 3 }),
      reason,
      fc.integer({ min: -100_000, max: 100_000 }),
      fc.boolean(),
      (before, after, reason, ttlMs, stored) => {
        const own = stored ? storedStatus(ttlMs, reason) : defaultStatus(reason);
        const found = degradation(responseWith([...before, own, ...after].join(', '), '90'));
        expect(found).toEqual({ source: stored ? 'cache' : 'default', reason, ageMs: stored ? 90_000 : 0 });
      },
    ),
    RUNS,
  );
});

test('degradation() never throws, and gives no reason that has not the form of one, for any header', () => {
  const piece = fc.constantFrom(
    'steadfetch',
    '; hit',
    '; detail="degraded: ',
    'x',
    '"',
    '\\',
    ',',
    ';',
    ' ',
    '\\"',
    '; ttl=1',
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 20, size: 'max' }),
      fc.string({ maxLength: 4, unit: 'grapheme-ascii' }),
      (pieces, age) => {
        const found = degradation(responseWith(pieces.join(''), age.trim()));
        if (found === undefined) return;
        expect(found.reason).toMatch(/^[^"\\]{1,99}$/);
        expect(found.ageMs).toBeGreaterThanOrEqual(0);
      },
    ),
    RUNS,
  );
});

/** Milliseconds, at best: what else the machine does only ever adds. */
function costMs(header: string): number {
  const response = responseWith(header);
  const costs = Array.from({ length: 3 }, () => {
    const start = performance.now();
    degradation(response);
    return performance.now() - start;
  });
  return Math.min(...costs);
}

const hostile: readonly (readonly [what: string, unit: string, prefix?: string])[] = [
  ['one name', 'a'],
  ['commas', ','],
  ['quotes', '"'],
  ['strings', '"a",'],
  ['one open string', 'x', '"'],
  ['open strings', '"a,'],
  ['escaped quotes', '\\"'],
  ['an open string of escaped quotes', '\\"', '"'],
  ['backslashes', '\\', '"'],
  ['spaces', ' ', 'steadfetch;'],
  ['spaces at the beginning', ' '],
  ['parameters', '; hit', 'steadfetch'],
  ['members of ours', 'steadfetch; hit,'],
  ['details', '; detail="degraded: ', 'steadfetch'],
];

test.for(hostile)('degradation() takes time in proportion to the length, for %s', ([, unit, prefix = '']) => {
  const costs = new Map<number, number>();
  for (const length of [1_000, 10_000, 100_000]) {
    const cost = costMs(prefix + unit.repeat(length / unit.length));
    // Ten times as long as the one before; in the square of the length it would be a hundred times, and at last minutes.
    expect(cost).toBeLessThan(40 * Math.max(costs.get(length / 10) ?? Infinity, 2.5));
    costs.set(length, cost);
  }
});
