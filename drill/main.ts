// What `npm start` runs once everything is built: the outage drill, or with --url the user's own endpoint.
import { runDrill } from './drill.ts';
import { drillFrame } from './drill-frame.ts';
import { runEndpoint } from './endpoint.ts';
import { endpointFrame } from './endpoint-frame.ts';
import type { EndpointPlan } from './endpoint-record.ts';
import { endpointReport } from './endpoint-report.ts';
import { Interrupted, interruption } from './interruption.ts';
import { loggedDrill } from './logged-drill.ts';
import { loggedEndpoint } from './logged-endpoint.ts';
import { HELP, parseWish, UsageError, type Wish } from './options.ts';
import { output } from './output.ts';
import { drillReport } from './report.ts';
import { OUTAGE, timed } from './script.ts';
import { liveView } from './view.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    await fulfil(parseWish(args));
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${HELP}`);
      return 2;
    }
    if (error instanceof Interrupted) {
      console.error('Stopped before the end: there is nothing to report yet.');
      return error.exitCode;
    }
    console.error('The drill itself broke:', error);
    return 1;
  }
}

async function fulfil(wish: Wish): Promise<void> {
  if (wish.kind === 'help') console.log(HELP);
  else if (wish.kind === 'drill') await drill(wish.totalMs);
  else await endpoint(wish.plan);
}

async function drill(totalMs: number): Promise<void> {
  const { terminal, width, paint, print } = output();
  const view = terminal === undefined ? loggedDrill(print) : liveView(drillFrame, terminal, paint);
  const record = await runDrill(timed(OUTAGE, totalMs), view, interruption());
  print(['', ...drillReport(record, width, paint)].join('\n'));
}

async function endpoint(plan: EndpointPlan): Promise<void> {
  const { terminal, width, paint, print } = output();
  const view = terminal === undefined ? loggedEndpoint(print) : liveView(endpointFrame, terminal, paint);
  const startedAt = performance.now();
  const record = await runEndpoint(plan, view, interruption());
  print(['', ...endpointReport(record, performance.now() - startedAt, width, paint)].join('\n'));
}
