import type { WriteStream } from 'node:tty';

const BAR = 30;

/** How far all jobs are together: a bar on a terminal, redrawn in place; elsewhere nothing, for lines that are done say enough. */
export class Progress {
  readonly #terminal: WriteStream | undefined;
  readonly #shares: Map<string, number>;
  #shown = '';

  constructor(names: readonly string[], terminal: WriteStream | undefined) {
    this.#terminal = terminal;
    this.#shares = new Map(names.map((name) => [name, 0]));
  }

  tell(name: string, share: number): void {
    this.#shares.set(name, share);
    const line = this.line();
    if (line === this.#shown || this.#terminal === undefined) return;
    this.#shown = line;
    this.#terminal.write(`\r\x1b[K${line.slice(0, this.#terminal.columns - 1)}`);
  }

  end(): void {
    this.#terminal?.write('\r\x1b[K');
  }

  /** As it is shown. */
  line(): string {
    const all = [...this.#shares.values()];
    const share = all.reduce((sum, each) => sum + each, 0) / all.length;
    const full = Math.floor(share * BAR);
    const running = [...this.#shares].filter(([, each]) => each > 0 && each < 1).map(([name]) => name);
    return `${'█'.repeat(full)}${'░'.repeat(BAR - full)} ${Math.floor(share * 100)} %  ${running.join(', ')}`;
  }
}
