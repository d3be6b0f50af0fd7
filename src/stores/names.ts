import { Fingerprints } from '../http/credentials.ts';

const MOST_PARTITION_BYTES = 256;

/** Keys as a store takes them: what is too long, which whoever chooses URLs can make it, goes by its SHA-256. */
export class BoundedNames {
  readonly #prefix: string;
  readonly #mostBytes: number;
  readonly #fingerprints = new Fingerprints();

  constructor(prefix: string, mostBytes: number) {
    this.#prefix = prefix;
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
