import { type Meter, type MeterProvider, metrics, type Tracer, type TracerProvider, trace } from '@opentelemetry/api';

import { checkFunction, checkKeys, show } from '../checks.ts';
import type { QueryRule } from './attributes.ts';
import { type MeasuredClient, measure } from './metrics.ts';
import { type TracingRules, traceCalls } from './tracing.ts';

/** The options of {@link instrument}. */
export interface InstrumentOptions {
  /** Where metrics go. Default: the global one of `@opentelemetry/api`, which must be set by then. `false`: no metrics. */
  readonly meterProvider?: MeterProvider | false;
  /** Where spans go. Default: the global one of `@opentelemetry/api`. `false`: no spans. */
  readonly tracerProvider?: TracerProvider | false;
  /** A meter to use in place of the provider's. */
  readonly meter?: Meter;
  /** A tracer to use in place of the provider's. */
  readonly tracer?: Tracer;
  /**
   * What `url.full` may show of a query: nothing (`false`, default), the parameters of these names, or all (`true`). Values
   * of parameters that are secrets by their name (`token`, `sig`, …) are shown as `REDACTED`. User and password never are.
   */
  readonly recordQuery?: boolean | readonly string[];
  /**
   * Which servers are told the trace that an attempt is part of (`traceparent`). Default: all, but in a page only its own
   * origin: on another, a header that is not allowed there makes the request fail (CORS).
   */
  readonly propagateTo?: (url: URL) => boolean;
}

const KEYS = ['meterProvider', 'tracerProvider', 'meter', 'tracer', 'recordQuery', 'propagateTo'];

/**
 * Has OpenTelemetry see what a client does, by the semantic conventions for HTTP clients: metrics, and a span for each call
 * with one in it for each attempt, which the next hop is told of. Returns the function that ends it: the next time that metrics
 * are collected, what they showed of the client is at rest.
 *
 * @throws TypeError if `client` is none, is instrumented already, or an option makes no sense.
 */
export function instrument(client: MeasuredClient, options: InstrumentOptions = {}): () => void {
  checkKeys('instrument', options, KEYS);
  const { meterProvider = metrics, tracerProvider = trace, propagateTo } = options;
  checkProvider('meterProvider', meterProvider, 'getMeter');
  checkProvider('tracerProvider', tracerProvider, 'getTracer');
  checkProvider('meter', options.meter, 'createCounter');
  checkProvider('tracer', options.tracer, 'startSpan');
  const rules: TracingRules = {
    query: checkQuery(options.recordQuery),
    propagatesTo: propagation(checkFunction('instrument.propagateTo', propagateTo, undefined)),
  };
  const meter = options.meter ?? (meterProvider === false ? undefined : meterProvider.getMeter(SCOPE));
  const tracer = options.tracer ?? (tracerProvider === false ? undefined : tracerProvider.getTracer(SCOPE));
  if (instrumented.has(client)) throw new TypeError('client is instrumented already: stop that first');
  // In this order: a meter may fail, and then nothing is to be left behind.
  const stopMeasuring = meter && measure(client, meter);
  const stopTracing = tracer && traceCalls(client, tracer, rules);
  instrumented.add(client);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    stopMeasuring?.();
    stopTracing?.();
    instrumented.delete(client);
  };
}

const SCOPE = 'steadfetch';
const instrumented = new WeakSet<object>();

function checkProvider(name: string, value: unknown, method: string): void {
  if (value === undefined || (value === false && name.endsWith('Provider'))) return;
  if (typeof Reflect.get(Object(value), method) === 'function') return;
  throw new TypeError(`instrument.${name} must have ${method}(), got ${show(value)}`);
}

function checkQuery(value: unknown): QueryRule {
  if (value === undefined) return false;
  if (typeof value === 'boolean') return value;
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return [...value];
  throw new TypeError(`instrument.recordQuery must be true, false or an array of names, got ${show(value)}`);
}

declare const location: { readonly origin?: string } | undefined;

function propagation(propagateTo: ((url: URL) => boolean) | undefined): TracingRules['propagatesTo'] {
  // A relative URL is of the page itself.
  return (url) => {
    if (url === undefined) return true;
    if (propagateTo !== undefined) return propagateTo(url) === true;
    return typeof location === 'undefined' || location.origin === url.origin;
  };
}
