/** The user, or whoever runs us, wants an end. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  /** What shells expect of a process that a signal ended. */
  readonly exitCode: number;

  constructor(signalNumber: number) {
    super('interrupted');
    this.exitCode = 128 + signalNumber;
  }
}

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** A signal that aborts on Ctrl-C and the like. The second time the process ends at once. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const [name, number] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      const reason = new Interrupted(number);
      if (controller.signal.aborted) process.exit(reason.exitCode);
      controller.abort(reason);
    });
  }
  return controller.signal;
}
