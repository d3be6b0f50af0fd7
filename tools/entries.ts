import { readFileSync } from 'node:fs';

/** One of the package's exports. */
export interface Entry {
  /** What it is called: `index`, or as in `steadfetch/health`. */
  readonly name: string;
  /** Its key in `exports`. */
  readonly key: string;
  readonly types: string;
  readonly code: string;
}

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
}

const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;

/** All exports that are code. */
export const entries: readonly Entry[] = Object.entries(exports).flatMap(([key, target]) =>
  typeof target === 'string'
    ? []
    : { name: key === '.' ? 'index' : key.slice(2), key, types: target.types, code: target.default },
);
