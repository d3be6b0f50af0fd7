/** Compiles where `value` is of the type, and of no wider or narrower one: `any` is none of them. */
export function isExactly<Expected>(): <const Given>(value: Given, ...same: Same<Given, Expected>) => void {
  return () => undefined;
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [theTypesDiffer: never];
