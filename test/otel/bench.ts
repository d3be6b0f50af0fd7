import {
  AggregationTemporality,
  type DataPoint,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
  type ViewOptions,
} from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

import type { ClientOptions } from '../../src/index.ts';
import { type InstrumentOptions, instrument } from '../../src/otel/index.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { type Bench, clientBench } from '../client/bench.ts';

export type Attributes = Readonly<Record<string, unknown>>;

/** One series of a metric, as the SDK exports it. */
export interface Series {
  readonly attributes: Attributes;
  readonly value: DataPoint<unknown>['value'];
}

export interface OtelBench extends Bench {
  /** Spans that have ended, in that order. */
  spans(): readonly ReadableSpan[];
  /** What a metric is now. */
  series(metric: string): Promise<readonly Series[]>;
  /** Names and units of all metrics there are. */
  metrics(): Promise<Readonly<Record<string, string>>>;
  /** All metrics, as the SDK exports them. */
  collect(): Promise<readonly MetricData[]>;
  stop(): void;
}

/** The real SDK's provider of meters, and what they have measured. */
export function collectorOf(views: ViewOptions[] = []) {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 86_400_000 });
  return {
    meterProvider: new MeterProvider({ readers: [reader], views }),
    async collect(): Promise<readonly MetricData[]> {
      exporter.reset();
      await reader.forceFlush();
      return exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
    },
  };
}

/** What a metric is, of all that was collected. */
export function seriesOf(collected: readonly MetricData[], metric: string): readonly Series[] {
  const found = collected.find(({ descriptor }) => descriptor.name === metric);
  return (found?.dataPoints ?? []).map(({ attributes, value }) => ({ attributes, value }));
}

/** A client under the real SDK, whose exporters keep what they get in memory. */
export function otelBench(
  script: readonly ScriptStep[],
  options: ClientOptions = {},
  instrumentation: InstrumentOptions = {},
): OtelBench {
  const bench = clientBench(script, options);
  const spanExporter = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spanExporter })] });
  const { meterProvider, collect } = collectorOf();
  const stop = instrument(bench.client, { meterProvider, tracerProvider, ...instrumentation });

  return {
    ...bench,
    spans: () => spanExporter.getFinishedSpans(),
    series: async (metric) => seriesOf(await collect(), metric),
    async metrics() {
      const all = await collect();
      return Object.fromEntries(all.map(({ descriptor }) => [descriptor.name, descriptor.unit]));
    },
    collect,
    stop,
  };
}
