import { follow, Scope } from './abort.ts';
import { checkMethods } from './checks.ts';
import { AsyncLayer, type AsyncNext, type CallContext, type Done, Layer, type Next } from './layer.ts';
import type { Policy } from './policy.ts';

/**
 * Several policies as one, outermost first: `compose(a, b).execute(f)` is `a` around `b` around `f`. Entries that are
 * `false` or `undefined` are left out, so a layer can be switched off in place.
 *
 * @throws TypeError if an entry is not a policy.
 */
export function compose(...policies: readonly (Policy | false | undefined)[]): Policy {
  return composeLayers(
    policies.map((policy, index) => (policy === false || policy === undefined ? policy : asLayer(policy, index))),
  );
}

/** {@link compose} for those who hold layers, and need one. */
export function composeLayers(layers: readonly (Layer | false | undefined)[]): Layer {
  return new Composed(layers.filter((layer) => layer !== false && layer !== undefined));
}

function asLayer(policy: Policy, index: number): Layer {
  if (policy instanceof Layer) return policy;
  checkMethods(`policies[${index}]`, 'a policy', policy, ['execute']);
  return new Foreign(policy);
}

class Composed extends Layer {
  readonly #layers: readonly Layer[];

  constructor(layers: readonly Layer[]) {
    super();
    this.#layers = layers;
  }

  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    return this.over(next)(context, done);
  }

  override over<T>(next: Next<T>): Next<T> {
    return this.#layers.reduceRight<Next<T>>((inner, layer) => layer.over(inner), next);
  }
}

/** A policy from elsewhere, which knows only the public shape: it may have put a signal of its own in place of ours. */
class Foreign extends AsyncLayer {
  readonly #policy: Policy;

  constructor(policy: Policy) {
    super();
    this.#policy = policy;
  }

  async enclose<T>(next: AsyncNext<T>, context: CallContext): Promise<T> {
    return this.#policy.execute(
      async ({ signal, attempt }) => {
        const inside = context.forAttempt(attempt).within(new Scope(context.scope));
        if (signal.aborted) inside.scope.abort(signal.reason);
        const unfollow = follow(signal, inside.scope);
        try {
          return await next(inside);
        } finally {
          unfollow();
          inside.scope.close();
        }
      },
      { signal: context.signal },
    );
  }
}
