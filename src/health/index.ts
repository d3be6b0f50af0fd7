/**
 * Endpoints for liveness, readiness and startup.
 * @module steadfetch/health
 */

export type {
  Check,
  CheckFunction,
  DependencyCheck,
  Finding,
  HealthStatus,
  LivenessCheck,
  TimedCheck,
} from './check.ts';
export { type DependsOnOptions, dependsOn } from './depends-on.ts';
export { createHealth, type Health, type HealthOptions } from './health.ts';
export type { HealthReport, ReportedCheck } from './report.ts';
