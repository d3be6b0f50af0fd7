/**
 * Whether the device knows that it has no network (HTML standard, "navigator.onLine"). `true` is to be trusted; that it is
 * online is not: whoever has a network may still reach nothing.
 */
export function isOffline(): boolean {
  return (globalThis.navigator as { readonly onLine?: boolean } | undefined)?.onLine === false;
}
