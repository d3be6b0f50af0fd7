export { type Client, type CloseOptions, createClient } from './client.ts';
export type {
  CallOptions,
  CallRetryOptions,
  ClientOptions,
  Deadline,
  FetchInit,
  HttpResult,
  HttpRetryOptions,
} from './client-options.ts';
export type { Cancel, Clock } from './clock.ts';
export { compose } from './compose.ts';
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
  Listener,
  QueuedEvent,
  RejectedEvent,
  RetryEvent,
  SteadEvent,
  TransitionEvent,
} from './events.ts';
export type { Jitter } from './model/backoff.ts';
export type { CircuitState } from './model/circuit.ts';
export type { CircuitSnapshot } from './model/circuit-snapshot.ts';
export type { Outcome, Settled } from './model/outcome.ts';
export type { RetryBudgetSnapshot } from './model/retry-budget.ts';
export type {
  BackoffOptions,
  BreakerOptions,
  BulkheadOptions,
  LayerTools,
  RetryBudgetOptions,
  WindowOptions,
} from './options.ts';
export { withTimeout } from './policies/attempt-timeout.ts';
export { Bulkhead } from './policies/bulkhead.ts';
export { CircuitBreaker, type Transition } from './policies/circuit-breaker.ts';
export { withDeadline } from './policies/deadline.ts';
export { type RetryPolicyOptions, type RetryQuestion, retry } from './policies/retry.ts';
export { RetryBudget } from './policies/retry-budget.ts';
export type { Context, ExecuteOptions, Operation, Policy } from './policy.ts';
export type { Degradation, Result } from './result.ts';
export type { ClientSnapshot, Counters, DependencySnapshot, LastFailure } from './snapshot.ts';
