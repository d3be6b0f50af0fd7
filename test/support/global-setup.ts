import type { TestProject } from 'vitest/node';

import { startFaultServer } from './fault-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Base URL of the fault server that all environments share: `inject('faultServer')`. */
    faultServer: string;
  }
}

/** Starts one fault server for the whole run; returns the function that closes it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startFaultServer();
  project.provide('faultServer', server.url);
  return () => server.close();
}
