// A thread of `npm run lab`: runs one experiment, tells how far it is, and what it came to.
import { parentPort, workerData } from 'node:worker_threads';

import { EXPERIMENTS } from './experiments.ts';
import { outcomeOf } from './outcome.ts';
import { type Plan, studiesOf } from './study.ts';
import type { Job, Message } from './threads.ts';

const { name, seed, plan } = workerData as Job;

function tell(message: Message): void {
  parentPort?.postMessage(message);
}

const experiments = plan === undefined ? EXPERIMENTS : studiesOf(plan as Plan);
const experiment = experiments.find((each) => each.name === name);
if (experiment === undefined) throw new Error(`There is no experiment ${name}`);
tell({ outcome: await outcomeOf(experiment, seed, (share) => tell({ share })) });
