import { type Chance, exponential } from './chance.ts';
import type { VirtualClock } from './clock.ts';

/**
 * Has `call` called at moments of chance, `perSecond` of them a second on average: users don't wait for each other, nor do they
 * come less often because it is slow (an open loop).
 *
 * @param perSecond A number, or how many at a time.
 */
export function arrivals(
  clock: VirtualClock,
  chance: Chance,
  perSecond: number | ((at: number) => number),
  untilMs: number,
  call: (nth: number) => void,
): void {
  const gap = exponential(chance, 1_000);
  const rateAt = typeof perSecond === 'number' ? () => perSecond : perSecond;
  let nth = 0;
  const next = (): void => {
    const delayMs = gap() / rateAt(clock.now());
    if (clock.now() + delayMs >= untilMs) return;
    clock.schedule(delayMs, () => {
      call(nth);
      nth += 1;
      next();
    });
  };
  next();
}
