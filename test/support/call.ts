import { type CallLimits, resolveClient } from '../../src/client-options.ts';
import { Dependency } from '../../src/dependency.ts';
import { type BodyReading, Call } from '../../src/http/call.ts';
import { prepareRequest } from '../../src/http/request.ts';
import type { FetchInit } from '../../src/index.ts';
import { Telemetry } from '../../src/telemetry.ts';

/** A call as a client makes it, with the default limits but for `changes`, to a dependency that is new. */
export function callTo(
  url: string,
  init: FetchInit = {},
  reads: BodyReading = 'none',
  changes: Partial<CallLimits> = {},
): Call {
  const settings = resolveClient();
  const dependency = new Dependency(new URL(url).origin, settings, new Telemetry(settings.tools, false));
  return new Call(prepareRequest(url, init, false), dependency, { ...settings.limits, ...changes }, reads);
}
