// What a project may write that has no types of a platform.
import { Bulkhead, CircuitBreaker, compose, retry, withTimeout } from 'steadfetch';

import { isExactly } from './same.ts';

const policy = compose(new Bulkhead({ maxConcurrent: 2 }), new CircuitBreaker(), retry(), withTimeout(100));
isExactly<Promise<number>>()(policy.execute(({ attempt }) => attempt));
