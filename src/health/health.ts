import { checkKeys, checkNumber, show } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { resolveTools } from '../options.ts';
import { CHECK_MS, type Check, type Checked, type LivenessCheck, resolveChecks, worst } from './check.ts';
import { Probe } from './probe.ts';
import { type HealthReport, refusal, reportOn, toResponse } from './report.ts';

/** The options of {@link createHealth}: checks by their names. */
export interface HealthOptions {
  /** Whether the process is beyond help. Default: none; that it answers is enough. Takes no {@link dependsOn}. */
  readonly liveness?: Readonly<Record<string, LivenessCheck>>;
  /** Whether it can do its work now. */
  readonly readiness?: Readonly<Record<string, Check>>;
  /** Whether it has started: once all of them have passed, they are not asked again. */
  readonly startup?: Readonly<Record<string, Check>>;
  /** Milliseconds for which what was found is good. Default 1,000. */
  readonly cacheMs?: number;
  /** Milliseconds that a check may take which does not say otherwise. Default 1,000. */
  readonly timeoutMs?: number;
  /** The clock; by default the platform's. */
  readonly clock?: Clock;
}

/** The health of a service, for those who ask over HTTP. */
export interface Health {
  /**
   * Answers GET and HEAD for `/livez`, `/readyz` and `/startupz` with 200 or 503 and `application/health+json`; with
   * `?verbose`, each check's findings are in it. Resolves to `undefined` for any other path. Rejects only if
   * `request` is none; works unbound.
   */
  readonly handler: (request: Request) => Promise<Response | undefined>;
  /** Set it to `true` when the service is about to stop: from then on it is not ready. */
  draining: boolean;
}

/**
 * The endpoints that Kubernetes, load balancers and people ask how a service does. Checks run side by side, each with its
 * own time limit, once for all who ask at a time: a probe costs nothing, and never adds to an outage.
 *
 * @throws TypeError or RangeError naming the option and the value.
 */
export function createHealth(options: HealthOptions = {}): Health {
  checkKeys('createHealth', options, ['liveness', 'readiness', 'startup', 'cacheMs', 'timeoutMs', 'clock']);
  const { clock } = resolveTools({ clock: options.clock });
  const cacheMs = checkNumber('createHealth.cacheMs', options.cacheMs, 1_000, { least: 0 });
  const timeoutMs = checkNumber('createHealth.timeoutMs', options.timeoutMs, 1_000, CHECK_MS);
  const probeOf = (name: 'liveness' | 'readiness' | 'startup', goodMs: number): Probe =>
    new Probe(resolveChecks(`createHealth.${name}`, options[name], timeoutMs), goodMs, clock);
  const liveness = probeOf('liveness', cacheMs);
  const readiness = probeOf('readiness', cacheMs);
  const startup = probeOf('startup', cacheMs);
  let startedWith: readonly Checked[] | undefined;

  async function report(probe: Pick<Probe, 'results'>, verbose: boolean): Promise<HealthReport> {
    const results = await probe.results();
    return results === undefined ? refusal('lost') : reportOn(results, verbose);
  }

  async function startupResults(): Promise<readonly Checked[] | undefined> {
    if (startedWith !== undefined) return startedWith;
    const results = await startup.results();
    if (results !== undefined && worst(results) !== 'fail') startedWith = results;
    return results;
  }

  async function readinessReport(verbose: boolean): Promise<HealthReport> {
    if (health.draining) return refusal('draining');
    const start = await report({ results: startupResults }, verbose);
    const found = startedWith === undefined ? refusal('starting', start) : await report(readiness, verbose);
    // It may have begun while the checks were under way.
    return health.draining ? refusal('draining') : found;
  }

  const endpoints: Readonly<Record<string, (verbose: boolean) => Promise<HealthReport>>> = {
    '/livez': (verbose) => report(liveness, verbose),
    '/readyz': readinessReport,
    '/startupz': (verbose) => report({ results: startupResults }, verbose),
  };

  const health: Health = {
    draining: false,
    async handler(request) {
      if (!request) throw new TypeError(`request must be a Request, got ${show(request)}`);
      const { url, method } = request;
      // Not by the URL's own parser: whatever comes as a host name is no reason not to answer others.
      const [, path = '', query] = /^(?:[a-z][a-z\d+.-]*:\/\/[^/?#]*)?([^?#]*)(?:\?([^#]*))?/i.exec(url) ?? [];
      const endpoint = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined;
      if (endpoint === undefined) return undefined;
      if (method !== 'GET' && method !== 'HEAD')
        return new Response(null, { status: 405, headers: { allow: 'GET, HEAD' } });
      return toResponse(await endpoint(new URLSearchParams(query).has('verbose')), method);
    },
  };
  return health;
}
