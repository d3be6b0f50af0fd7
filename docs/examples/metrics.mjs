// A service whose metrics Prometheus scrapes: GET / asks the upstream, GET :9464/metrics says how that went.
import { createServer } from 'node:http';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { createClient, degradation, memoryStore } from 'steadfetch';
import { instrument } from 'steadfetch/otel';

const { UPSTREAM = 'http://127.0.0.1:8791/', PORT = '8080', METRICS_PORT = '9464' } = process.env;

const client = createClient({ name: 'shop', fallback: { store: memoryStore() } });
const reader = new PrometheusExporter({ host: '127.0.0.1', port: Number(METRICS_PORT) });
instrument(client, { meterProvider: new MeterProvider({ readers: [reader] }) });

const server = createServer(async (_request, response) => {
  try {
    const answer = await client.fetch(UPSTREAM);
    response.writeHead(answer.status, { 'x-degraded': String(degradation(answer) !== undefined) });
    response.end(await answer.text());
  } catch (error) {
    response.writeHead(503).end(error.code ?? error.name);
  }
});
server.listen(Number(PORT), '127.0.0.1', () => console.log(`Listening on ${server.address().port}`));
