/**
 * A clock that stands still, and fetches that fail as they are told, for tests.
 * @module steadfetch/testing
 */

export { type ChaosOptions, chaosFetch, type Fetch } from './chaos-fetch.ts';
export { FakeClock, type FakeClockOptions } from './fake-clock.ts';
export {
  type ScriptedAnswer,
  type ScriptedFetch,
  type ScriptedRequest,
  type ScriptStep,
  scriptedFetch,
} from './scripted-fetch.ts';
