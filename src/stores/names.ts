import { show } from '../checks.ts';
import { Fingerprints } from '../http/credentials.ts';

const MOST_PREFIX_BYTES = 64;
const MOST_PARTITION_BYTES = 256;

/**
 * The prefix given for the option at `path`.
 * @throws TypeError if it is none.
 */
export function checkPrefix(path: string, prefix: unknown): string {
  if (typeof prefix === 'string' && bytesIn(prefix) <= MOST_PREFIX_BYTES) return prefix;
  throw new TypeError(`${path} must be a string of at most ${MOST_PREFIX_BYTES} bytes, got ${show(prefix)}`);
}

/** Keys as a store takes them: what is too long, which whoever chooses URLs can make it, goes by its SHA-256. */
export class BoundedNames {
  readonly #prefix: string;
  readonly #mostBytes: number;
  readonly #fingerprints = new Fingerprints();

  constructor(prefix: string, mostBytes: number) {
    // A space ends it, as one ends the partition: no prefix is the beginning of another's names.
    this.#prefix = `${prefix.replace(/[% ]/g, encodeURIComponent)} `;
    this.#mostBytes = mostBytes;
  }

  async of(key: string): Promise<string> {
    const space = key.indexOf(' ');
    const start = await this.within(key.slice(0, space));
    const name = start + key.slice(space + 1);
    return bytesIn(name) <= this.#mostBytes ? name : `${start}#${await this.#fingerprints.of(key)}`;
  }

  /** What the names of a partition's keys begin with. */
  async within(partition: string | undefined): Promise<string> {
    if (partition === undefined) return this.#prefix;
    const isLong = bytesIn(partition) > MOST_PARTITION_BYTES;
    return `${this.#prefix}${isLong ? `#${await this.#fingerprints.of(partition)}` : partition} `;
  }
}

export function bytesIn(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}
