const read = ['retry-after', 'cache-status', 'age'];

export const handle = ({ event, resolve }) =>
  resolve(event, {
    filterSerializedResponseHeaders: (name) => read.includes(name) && !event.url.searchParams.has('unnamed'),
  });

/** Tells the visitor what the test asks for. */
export const handleError = ({ error }) => ({ message: String(error.code ?? error) });
