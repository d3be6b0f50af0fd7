import { type AsyncNext, type CallContext, type Layer, promised, whenSettled } from '../../src/layer.ts';
import { unwrap } from '../../src/model/outcome.ts';

/** What a layer makes of `work`, in a context of one's own. */
export function around<T>(layer: Layer, work: AsyncNext<T>, context: CallContext): Promise<T> {
  return promised(() => layer.around<T, T>((inside, done) => whenSettled(work(inside), done), context, unwrap));
}
