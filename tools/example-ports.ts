import { parseArgs } from 'node:util';

const MOST = 65_535;

/**
 * Starts an example on the ports that its command line asks for, or on `defaults`. Where that makes no sense, or a port is
 * taken, it ends with the reason and `usage`: a stack would say less.
 */
export async function startOnPorts<P extends string>(
  usage: string,
  defaults: Readonly<Record<P, number>>,
  start: (ports: Readonly<Record<P, number>>) => Promise<void>,
): Promise<void> {
  try {
    const ports = asked(defaults);
    if (ports === undefined) console.log(usage);
    else await start(ports).catch((error) => end(error, usage, 1));
  } catch (error) {
    end(error, usage, 2);
  }
}

function asked<P extends string>(defaults: Readonly<Record<P, number>>): Readonly<Record<P, number>> | undefined {
  const names = Object.keys(defaults) as P[];
  const { help, ...texts } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      ...Object.fromEntries(names.map((name) => [name, { type: 'string' }] as const)),
    },
  }).values as Partial<Record<string, string>> & { readonly help?: boolean };
  if (help === true) return undefined;
  return Object.fromEntries(names.map((name) => [name, portOf(name, texts[name], defaults[name])])) as Record<
    P,
    number
  >;
}

function portOf(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (/^\d+$/.test(text) && Number(text) <= MOST) return Number(text);
  throw new RangeError(`--${name} must be a whole number from 0 to ${MOST}, got ${JSON.stringify(text)}`);
}

function end(error: unknown, usage: string, code: number): never {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exit(code);
}
