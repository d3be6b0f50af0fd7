import { checkChoice, checkKeys, checkList, show } from '../checks.ts';
import type { ClientSnapshot } from '../snapshot.ts';
import type { DependencyCheck, Finding, HealthStatus } from './check.ts';

/** The options of {@link dependsOn}. */
export interface DependsOnOptions {
  /** The dependencies that count, by the client's names for them (by default, origins). Default: all it has called. */
  readonly dependencies?: readonly string[];
  /**
   * What an open circuit means: `"fail"` (default), or `"warn"` where the service is of use without the dependency, by a
   * fallback, say: then a dependency that is down does not take all who need it down with it.
   */
  readonly whenOpen?: 'fail' | 'warn';
}

/**
 * Whether what a client calls is well, by the state of its circuits. Nothing is called: a probe never adds to the load of
 * what is down. A circuit that is due for a probe is a warning, so that there is traffic to find out whether the dependency
 * is back; one that was never called is well.
 *
 * @throws TypeError naming the option and the value.
 */
export function dependsOn(
  client: { readonly snapshot: () => ClientSnapshot },
  options: DependsOnOptions = {},
): DependencyCheck {
  if (typeof client?.snapshot !== 'function') {
    throw new TypeError(`client must be a steadfetch client, got ${show(client)}`);
  }
  checkKeys('dependsOn', options, ['dependencies', 'whenOpen']);
  const whenOpen = checkChoice('dependsOn.whenOpen', options.whenOpen, ['fail', 'warn']);
  const dependencies = checkList('dependsOn.dependencies', options.dependencies, undefined, 'string');
  const only = dependencies && new Set(dependencies);
  const statusOf = (state: string): HealthStatus =>
    state === 'closed' ? 'pass' : state === 'half-open' ? 'warn' : whenOpen;
  return {
    dependency: true,
    run(): readonly Finding[] {
      const all = Object.entries(client.snapshot().dependencies);
      return all
        .filter(([name, { breaker }]) => breaker !== null && only?.has(name) !== false)
        .map(([componentId, { breaker }]) => {
          const state = breaker?.state ?? 'closed';
          return { status: statusOf(state), componentId, observedValue: state };
        });
    },
  };
}
