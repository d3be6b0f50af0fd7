/**
 * OpenTelemetry: metrics, and spans of calls and attempts.
 * @module steadfetch/otel
 */

export { type InstrumentOptions, instrument } from './instrument.ts';
export type { MeasuredClient } from './metrics.ts';
