/**
 * The client, the layers alone, the errors and events, and the store in memory.
 * @module steadfetch
 */

export { type BulkheadSizeOptions, bulkheadSize } from './bulkhead-size.ts';
export { type ClearOptions, type Client, type CloseOptions, createClient } from './client.ts';
export type {
  CallOptions,
  CallRetryOptions,
  ClientOptions,
  Deadline,
  FetchInit,
  HttpResult,
  HttpRetryOptions,
  PropagateDeadlineOptions,
} from './client-options.ts';
export type { Cancel, Clock } from './clock.ts';
export { compose } from './compose.ts';
export {
  type DegradationSnapshot,
  type DegradationStore,
  type DegradedDependency,
  degradationStore,
} from './degradation-store.ts';
export {
  AttemptTimeoutError,
  BulkheadFullError,
  CircuitOpenError,
  ClosedError,
  DeadlineExceededError,
  HttpError,
  QueueTimeoutError,
  SteadfetchError,
  type SteadfetchErrorCode,
  type SteadfetchErrorOptions,
} from './errors.ts';
export type {
  AttemptEvent,
  CompletedEvent,
  FailureKind,
  FallbackEvent,
  FleetEvent,
  Listener,
  QueuedEvent,
  RejectedEvent,
  RetryEvent,
  RevalidatedEvent,
  SteadEvent,
  StoreErrorEvent,
  TransitionEvent,
} from './events.ts';
export type { CallFallbackOptions, FallbackOptions } from './fallback-options.ts';
export type { Fleet, FleetMember, FleetSeat, FleetState, FleetStatus } from './fleet/fleet.ts';
export { degradation } from './http/cache-status.ts';
export type { DeadlineFormat } from './http/deadline-header.ts';
export { type IncomingDeadlineOptions, incomingDeadline } from './incoming-deadline.ts';
export type { Jitter } from './model/backoff.ts';
export type { CircuitState } from './model/circuit.ts';
export type { CircuitSnapshot } from './model/circuit-snapshot.ts';
export type { Outcome, Settled } from './model/outcome.ts';
export type { RetryBudgetSnapshot } from './model/retry-budget.ts';
export type {
  BackoffOptions,
  BreakerOptions,
  BulkheadOptions,
  HedgeOptions,
  LayerTools,
  RetryBudgetOptions,
  WindowOptions,
} from './options.ts';
export { withTimeout } from './policies/attempt-timeout.ts';
export { Bulkhead } from './policies/bulkhead.ts';
export { CircuitBreaker, type Transition } from './policies/circuit-breaker.ts';
export { withDeadline } from './policies/deadline.ts';
export { type FallbackPolicy, type FallbackPolicyOptions, withFallback } from './policies/fallback.ts';
export { type RetryPolicyOptions, type RetryQuestion, retry } from './policies/retry.ts';
export { RetryBudget } from './policies/retry-budget.ts';
export type { Context, ExecuteOptions, Operation, Policy } from './policy.ts';
export type { Degradation, FallbackResult, Result } from './result.ts';
export type { ClientSnapshot, Counters, DependencySnapshot, LastFailure, LastTransition } from './snapshot.ts';
export { type MemoryStoreOptions, memoryStore } from './stores/memory.ts';
export type { Partition, Store, StoredResponse, StoreEntry } from './stores/store.ts';
