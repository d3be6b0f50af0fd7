import { builtinEnvironments, type Environment } from 'vitest/runtime';

// What a request touches on its way through fetch. happy-dom's own fetch ignores AbortSignal while it hangs.
const native = [
  'fetch',
  'Request',
  'Response',
  'Headers',
  'FormData',
  'Blob',
  'File',
  'URL',
  'URLSearchParams',
  'AbortController',
  'AbortSignal',
  'DOMException',
  'ReadableStream',
  'WritableStream',
  'TransformStream',
] as const;

/** The happy-dom environment, with the fetch of the Node below it: a window and a document around a network that works. */
const environment: Environment = {
  ...builtinEnvironments['happy-dom'],
  name: 'native-fetch-dom',
  async setup(global, options) {
    const kept = native.map((name) => [name, Object.getOwnPropertyDescriptor(global, name)] as const);
    const dom = await builtinEnvironments['happy-dom'].setup(global, options);
    for (const [name, descriptor] of kept) if (descriptor) Object.defineProperty(global, name, descriptor);
    return dom;
  },
};

export default environment;
