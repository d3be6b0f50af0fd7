import { type Checked, type Finding, type HealthStatus, worst } from './check.ts';

/** The body of an answer, as draft-inadarei-api-health-check-06 has it. */
export interface HealthReport {
  /** The worst of all findings. */
  readonly status: HealthStatus;
  /** What is wrong beyond the checks: `draining`, `starting` or `lost`. */
  readonly output?: string;
  /** With `?verbose`: what each check has found, by its name, and how long it took. */
  readonly checks?: Readonly<Record<string, readonly ReportedCheck[]>>;
}

/** One finding of a check. */
export interface ReportedCheck extends Finding {
  /** When the check began (RFC 3339). */
  readonly time?: string;
}

/** A verdict on checks; what they have found only for who asks for it. */
export function reportOn(results: readonly Checked[], verbose: boolean): HealthReport {
  const status = worst(results);
  if (!verbose) return { status };
  const checks = new Map<string, readonly ReportedCheck[]>();
  const add = (name: string, found: readonly ReportedCheck[]): unknown =>
    checks.set(name, [...(checks.get(name) ?? []), ...found]);
  for (const { name, status: verdict, findings, at, durationMs } of results) {
    const date = new Date(at);
    const when = Number.isNaN(date.getTime()) ? {} : { time: date.toISOString() };
    const took = { status: verdict, observedValue: Math.round(durationMs), observedUnit: 'ms', ...when };
    add(
      name,
      findings.map((finding) => ({ ...finding, ...when })),
    );
    add(`${name}:responseTime`, [took]);
  }
  return { status, checks: Object.fromEntries(checks) };
}

/** A failure, whatever the checks say. */
export function refusal(output: string, report?: HealthReport): HealthReport {
  return { ...report, status: 'fail', output };
}

/** The answer: 200, or 503 for a failure, never to be cached; HEAD is answered without the body. */
export function toResponse(report: HealthReport, method: string): Response {
  return new Response(method === 'HEAD' ? null : JSON.stringify(report), {
    status: report.status === 'fail' ? 503 : 200,
    headers: { 'content-type': 'application/health+json', 'cache-control': 'no-store' },
  });
}
