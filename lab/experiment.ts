/** Something that the lab finds out. */
export interface Experiment<R = unknown> {
  /** Names its file, and its figures. */
  readonly name: string;
  readonly title: string;
  /** What is expected, before it is tried. */
  readonly hypothesis: string;
  /** What was set, for whoever wants to repeat it. */
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly run: (seed: number, onProgress: (share: number) => void) => Promise<R>;
  /** What came out, to be held against the hypothesis. */
  readonly findings: (result: R) => readonly Finding[];
  readonly figures: (result: R) => readonly Figure[];
}

/** One number of a result, and between what it was expected. */
export interface Finding {
  /** Which of those that are compared it is about. */
  readonly of?: string;
  readonly claim: string;
  readonly value: number;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly unit?: string;
}

export interface Figure {
  /** Its file's, without the ending. */
  readonly name: string;
  readonly svg: string;
}

export function holds({ value, atLeast = -Infinity, atMost = Infinity }: Finding): boolean {
  return value >= atLeast && value <= atMost;
}

/** For the eye: makes the types of an experiment meet. */
export function experiment<R>(it: Experiment<R>): Experiment<R> {
  return it;
}

/** Runs `work` for one name after the other, and tells how far all of them are. */
export async function forEach<K extends string, V>(
  names: readonly K[],
  onProgress: (share: number) => void,
  work: (name: K, onProgress: (share: number) => void) => Promise<V>,
): Promise<Record<K, V>> {
  const results: Partial<Record<K, V>> = {};
  for (const [index, name] of names.entries()) {
    results[name] = await work(name, (share) => onProgress((index + share) / names.length));
  }
  return results as Record<K, V>;
}
