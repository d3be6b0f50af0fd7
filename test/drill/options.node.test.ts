import { expect, test } from 'vitest';

import { parseWish, UsageError } from '../../drill/options.ts';

test('parseWish() asks for the whole drill without options, and for a squeezed one with --seconds', () => {
  expect(parseWish([])).toEqual({ kind: 'drill', totalMs: 32_500 });
  expect(parseWish(['--seconds', '6'])).toEqual({ kind: 'drill', totalMs: 6_000 });
});

test('parseWish() asks for the endpoint with --url, gently unless told otherwise', () => {
  const url = new URL('http://127.0.0.1:8080/x');
  expect(parseWish(['--url', url.href])).toEqual({
    kind: 'endpoint',
    plan: { url, ratePerSecond: 5, lastsMs: 20_000 },
  });
  expect(parseWish([`--url=${url.href}`, '--rate=20', '--seconds=1.5'])).toEqual({
    kind: 'endpoint',
    plan: { url, ratePerSecond: 20, lastsMs: 1_500 },
  });
});

test('parseWish() asks for help, whatever else is asked', () => {
  expect(parseWish(['--rate', 'x', '--help'])).toEqual({ kind: 'help' });
  expect(parseWish(['-h'])).toEqual({ kind: 'help' });
});

const URL_OPTION = ['--url', 'http://127.0.0.1/'];

test.for([
  [['--url', 'example'], '--url must be an http or https address, got "example"'],
  [['--url', ''], '--url must be an http or https address, got ""'],
  [['--url', 'file:///etc/hosts'], '--url must be an http or https address, got "file:///etc/hosts"'],
  [['--url', 'http://me:secret@host/'], '--url must not carry a user name or password'],
  [['--rate', '5'], '--rate 5 needs --url'],
  [[...URL_OPTION, '--rate', '20.1'], '--rate must be a number from 0.1 to 20, got "20.1"'],
  [[...URL_OPTION, '--rate', '0'], '--rate must be a number from 0.1 to 20, got "0"'],
  [[...URL_OPTION, '--rate', ''], '--rate must be a number from 0.1 to 20, got ""'],
  [[...URL_OPTION, '--rate', 'fast'], '--rate must be a number from 0.1 to 20, got "fast"'],
  [[...URL_OPTION, '--seconds', '601'], '--seconds must be a number from 1 to 600, got "601"'],
  [['--seconds', '3.9'], '--seconds must be a number from 4 to 32.5, got "3.9"'],
  [['--seconds', 'NaN'], '--seconds must be a number from 4 to 32.5, got "NaN"'],
  [['--url'], "'--url <value>' argument missing"],
  [['--speed', '2'], "Unknown option '--speed'"],
  [['endpoint'], "Unexpected argument 'endpoint'"],
] as const)('parseWish() refuses %j and says what is wrong', ([args, message]) => {
  expect(() => parseWish(args)).toThrow(UsageError);
  expect(() => parseWish(args)).toThrow(message);
});

test('parseWish() does not repeat a password', () => {
  expect(() => parseWish(['--url', 'http://me:secret@host/'])).not.toThrow(/secret/);
});
