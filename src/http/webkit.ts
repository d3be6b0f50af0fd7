/** Whether this is Safari's engine, which tells less of bodies than the others. */
export function isWebKit(): boolean {
  return (globalThis.navigator as { vendor?: string } | undefined)?.vendor === 'Apple Computer, Inc.';
}
