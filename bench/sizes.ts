// What comes with an import, minified and compressed, beside others. Run by main.ts.
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

const imports: Readonly<Record<string, string>> = {
  'createClient()': "export { createClient } from 'steadfetch'",
  'the six layers, compose()':
    "export { Bulkhead, CircuitBreaker, RetryBudget, compose, retry, withDeadline, withTimeout } from 'steadfetch'",
  CircuitBreaker: "export { CircuitBreaker } from 'steadfetch'",
  'its transitions alone': "export * from './src/model/circuit.ts'",
  'cockatiel: five policies, wrap()':
    "export { ConsecutiveBreaker, ExponentialBackoff, bulkhead, circuitBreaker, handleAll, retry, timeout, wrap } from 'cockatiel'",
  'cockatiel: circuitBreaker()':
    "export { ConsecutiveBreaker, CountBreaker, SamplingBreaker, circuitBreaker, handleAll } from 'cockatiel'",
  ky: "export { default } from 'ky'",
  ofetch: "export { createFetch } from 'ofetch'",
  ffetch: "export { default } from '@fetchkit/ffetch'",
  opossum: "export { default } from 'opossum'",
};

const kB = (bytes: Uint8Array): number => Number((bytes.byteLength / 1_000).toFixed(1));

/** Bundled as size-limit does it. */
async function sizeOf(source: string): Promise<Readonly<Record<string, number>>> {
  const entry = 'entry.js';
  const bundle = await rolldown({
    input: entry,
    platform: 'browser',
    external: ['events'],
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === entry ? `${process.cwd()}/${entry}` : null),
        load: (id) => (id.endsWith(`/${entry}`) ? source : null),
      },
    ],
  });
  const { output } = await bundle.generate({ format: 'esm', minify: true });
  await bundle.close();
  const code = Buffer.from(output[0].code);
  return { 'gzip, in kB': kB(gzipSync(code)), 'brotli, in kB': kB(brotliCompressSync(code)) };
}

const found: Record<string, Readonly<Record<string, number>>> = {};
for (const [name, source] of Object.entries(imports)) found[name] = await sizeOf(source);
console.log(JSON.stringify(found));
