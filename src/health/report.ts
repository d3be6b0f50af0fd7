import { type Checked, type Finding, type HealthStatus, worst } from './check.ts';

/** The body of an answer, as draft-inadarei-api-health-check-06 has it. */
export interface HealthReport {
  readonly status: HealthStatus;
  readonly output?: string;
  readonly checks?: Readonly<Record<string, readonly ReportedCheck[]>>;
}

/** One finding of a check. */
export interface ReportedCheck extends Finding {
  /** When the check began (RFC 3339). */
  readonly time: string;
}

/** A verdict on checks; what they have found only for who asks for it. */
export function reportOn(results: readonly Checked[], verbose: boolean): HealthReport {
  const status = worst(results);
  if (!verbose) return { status };
  const checks = results.flatMap(({ name, findings, at, durationMs }): [string, readonly ReportedCheck[]][] => {
    const time = new Date(at).toISOString();
    const took = { status: worst(findings), observedValue: Math.round(durationMs), observedUnit: 'ms', time };
    return [
      [name, findings.map((finding) => ({ ...finding, time }))],
      [`${name}:responseTime`, [took]],
    ];
  });
  return { status, checks: Object.fromEntries(checks) };
}

/** A verdict that needs no check. */
export function refusal(output: string): HealthReport {
  return { status: 'fail', output };
}

/** The answer: 200, or 503 for a failure, never to be cached; HEAD is answered without the body. */
export function toResponse(report: HealthReport, method: string): Response {
  return new Response(method === 'HEAD' ? null : JSON.stringify(report), {
    status: report.status === 'fail' ? 503 : 200,
    headers: { 'content-type': 'application/health+json', 'cache-control': 'no-store' },
  });
}
