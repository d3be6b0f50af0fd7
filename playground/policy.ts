import json5 from 'json5';
import { type ClientOptions, createClient, memoryStore } from 'steadfetch';

/**
 * The options of `createClient` in the text of an object, as one writes it in code; functions can't be said. The word `"memory"`
 * as `fallback.store` is a `memoryStore()`.
 *
 * @throws SyntaxError naming the line; TypeError or RangeError of `createClient`, naming the option and the value.
 */
export function readPolicy(text: string): ClientOptions {
  const policy = withStore(parsed(text));
  createClient(policy);
  return policy;
}

interface Json5Error {
  readonly lineNumber: number;
  readonly columnNumber: number;
}

function parsed(text: string): ClientOptions {
  try {
    return json5.parse(withoutSeparators(text));
  } catch (error) {
    const { lineNumber, columnNumber } = error as Json5Error;
    const message = String((error as Error).message).replace(/^JSON5: | at \d+:\d+$/g, '');
    throw new SyntaxError(`line ${lineNumber}, column ${columnNumber}: ${message}`);
  }
}

/** Numbers as JSON5 knows them, `2000 ` for `2_000`: as long as they were, so that a column is the one in the text. */
function withoutSeparators(text: string): string {
  const tokens = /"(?:\\[\s\S]|[^"\\])*"|'(?:\\[\s\S]|[^'\\])*'|\/\/.*|\/\*[\s\S]*?\*\/|[A-Za-z_$][\w$]*|\d+(?:_\d+)+/g;
  return text.replace(tokens, (token) => (/^\d/.test(token) ? token.replaceAll('_', '').padEnd(token.length) : token));
}

function withStore(policy: ClientOptions): ClientOptions {
  const { store } = Object(policy?.fallback) as { readonly store?: unknown };
  if (store !== 'memory') return policy;
  return { ...policy, fallback: { ...policy.fallback, store: memoryStore({ shared: false }) } };
}
