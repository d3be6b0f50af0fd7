export { type ChaosOptions, chaosFetch } from './chaos-fetch.ts';
export { FakeClock } from './fake-clock.ts';
export { type ScriptedFetch, type ScriptStep, scriptedFetch } from './scripted-fetch.ts';
