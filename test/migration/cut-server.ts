import { serve } from '../recipes/upstream.ts';

export interface CutServer {
  readonly url: string;
  /** What each request asked for: `bytes=5-9`, or everything. */
  readonly ranges: readonly (string | undefined)[];
}

/** A real server on loopback whose first answer breaks off in the middle of `body`; it then gives what it is asked for. */
export async function cutServer(body: string, how: 'close' | 'reset' = 'close'): Promise<CutServer> {
  const ranges: (string | undefined)[] = [];
  const head = { 'Content-Type': 'application/json', ETag: '"1"' };
  const { url } = await serve((request, response) => {
    ranges.push(request.headers.range);
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const rest = body.slice(from);
    const partial = from === 0 ? {} : { 'Content-Range': `bytes ${from}-${body.length - 1}/${body.length}` };
    response.writeHead(from === 0 ? 200 : 206, { ...head, ...partial, 'Content-Length': rest.length });
    if (ranges.length > 1) response.end(rest);
    else response.write(rest.slice(0, rest.length >> 1));
    if (ranges.length > 1) return;
    // The head has to be out first, or there is no answer at all.
    setImmediate(() => (how === 'close' ? request.socket.destroySoon() : request.socket.resetAndDestroy()));
  }, []);
  return { url, ranges };
}
