//! Decides whether a failed request is tried again, and after which delay.
//!
//! Transient failures are retried after an exponential delay with jitter, throttled requests after
//! the time that the registry asks for. All retries of a run draw on one budget. See
//! `docs/design/0008-retries.md`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Operation, Tries};
use crate::options::RetryPolicy;

/// The kind of a failure, which decides how often the request is tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FailureKind {
    /// Another try would fail as well.
    Permanent,
    /// The host name does not resolve. Tried once more.
    NameResolution,
    /// The URL that the registry redirected to has expired. The registry is asked for a new one.
    ExpiredRedirect,
    /// The registry asks the client to slow down, for the time in `Retry-After` if it sends one.
    Throttled(Option<Duration>),
    /// Another try may succeed.
    Transient,
    /// The registry refuses a manifest, perhaps because it does not know yet what was just
    /// uploaded. Tried twice more, which takes nothing from the budget: a registry that answers so
    /// is not overloaded.
    Unsettled,
}

/// The budget for all retries of a run.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    left: AtomicU32,
    initial: u32,
}

/// What the retry of a transient failure takes from the budget.
const TRANSIENT_COST: u32 = 14;

/// What the retry of a throttled request takes from the budget.
const THROTTLED_COST: u32 = 5;

impl RetryBudget {
    /// Returns the whole budget of a policy.
    pub(crate) const fn new(policy: &RetryPolicy) -> Self {
        Self {
            left: AtomicU32::new(policy.budget),
            initial: policy.budget,
        }
    }

    /// Takes `cost` from the budget, or returns `false` if less is left.
    fn try_spend(&self, cost: u32) -> bool {
        let spent = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(cost)
            });
        spent.is_ok()
    }

    /// Puts `amount` back, up to the initial budget.
    fn refund(&self, amount: u32) {
        // The closure never returns `None`, so this cannot fail.
        let _ = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_add(amount).min(self.initial))
            });
    }
}

/// The retry state of one request.
#[derive(Debug)]
pub(crate) struct Backoff<'a> {
    policy: &'a RetryPolicy,
    budget: &'a RetryBudget,
    /// What the retries of this request took from the budget.
    spent: u32,
    started: Instant,
    failures: u32,
    transient_failures: u32,
    throttled_failures: u32,
}

/// Tries of a request to a host name that does not resolve.
const NAME_TRIES: u32 = 2;

/// Tries of a request whose redirect target has expired.
const EXPIRED_REDIRECT_TRIES: u32 = 3;

/// Tries of a manifest that the registry refuses, perhaps only for a moment.
const UNSETTLED_TRIES: u32 = 3;

impl<'a> Backoff<'a> {
    /// Returns the state before the first try.
    pub(crate) fn new(policy: &'a RetryPolicy, budget: &'a RetryBudget) -> Self {
        Self {
            policy,
            budget,
            spent: 0,
            started: Instant::now(),
            failures: 0,
            transient_failures: 0,
            throttled_failures: 0,
        }
    }

    /// Records a failure and returns the delay before the next try, or `None` if the request is not
    /// tried again.
    pub(crate) fn next_delay(&mut self, kind: FailureKind) -> Option<Duration> {
        self.failures += 1;
        let (delay, cost) = match kind {
            FailureKind::Permanent => return None,
            FailureKind::NameResolution => (self.transient_delay(NAME_TRIES)?, TRANSIENT_COST),
            FailureKind::ExpiredRedirect => (
                self.transient_delay(EXPIRED_REDIRECT_TRIES)?,
                TRANSIENT_COST,
            ),
            FailureKind::Transient => (self.transient_delay(self.policy.tries)?, TRANSIENT_COST),
            FailureKind::Unsettled => (self.transient_delay(UNSETTLED_TRIES)?, 0),
            FailureKind::Throttled(retry_after) => {
                (self.throttled_delay(retry_after)?, THROTTLED_COST)
            }
        };
        if !self.budget.try_spend(cost) {
            tracing::debug!("not tried again: the run has spent its budget of retries");
            return None;
        }
        self.spent += cost;
        Some(delay)
    }

    /// Counts a transient failure and returns the delay before the next of `tries` tries.
    fn transient_delay(&mut self, tries: u32) -> Option<Duration> {
        self.transient_failures += 1;
        let RetryPolicy { base, cap, .. } = *self.policy;
        let longest = exponential(base, self.transient_failures, cap);
        (self.transient_failures < tries).then(|| with_jitter(longest))
    }

    /// Counts a throttled try and returns the delay before the next one: up to 25 % more than
    /// `retry_after`, if that is within the policy's limit.
    fn throttled_delay(&mut self, retry_after: Option<Duration>) -> Option<Duration> {
        self.throttled_failures += 1;
        let policy = self.policy;
        let shortest = retry_after
            .filter(|asked| *asked <= policy.longest_retry_after)
            .unwrap_or_else(|| {
                exponential(
                    policy.throttled_base,
                    self.throttled_failures,
                    policy.throttled_cap,
                )
            });
        let jitter = 1.0 + fastrand::f64() / 4.0;
        (self.throttled_failures < policy.throttled_tries).then(|| shortest.mul_f64(jitter))
    }

    /// Records that the request succeeded: the budget gets back what its retries took, and 1 more.
    pub(crate) fn record_success(&mut self) {
        self.budget.refund(std::mem::take(&mut self.spent) + 1);
    }

    /// Returns the number of failed tries, and the time since the first one.
    pub(crate) fn tries(&self) -> Tries {
        Tries {
            count: self.failures,
            elapsed: self.started.elapsed(),
        }
    }
}

/// Returns the delay before a body that was interrupted `times` times in a row is resumed.
pub(crate) fn resume_delay(policy: &RetryPolicy, times: u32) -> Duration {
    with_jitter(exponential(policy.base, times, policy.resume_cap))
}

/// Returns a random delay between half of `longest` and `longest`. The minimum gives a server time
/// to restart; the randomness keeps many clients from returning at the same time.
fn with_jitter(longest: Duration) -> Duration {
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Returns `base`, doubled for every failure after the first, and at most `cap`.
fn exponential(base: Duration, failures: u32, cap: Duration) -> Duration {
    let factor = 1_u32 << failures.saturating_sub(1).min(16);
    base.saturating_mul(factor).min(cap)
}

/// Logs a warning about the failed try, and waits for `delay`.
pub(crate) async fn wait_before_retry(
    operation: &Operation,
    reason: &str,
    tries: Tries,
    delay: Duration,
) {
    tracing::warn!(
        "{operation}: {reason}; try {} failed, next one in {:.1} s",
        tries.count,
        delay.as_secs_f64()
    );
    tokio::time::sleep(delay).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obeys_retry_after_up_to_its_limit() {
        let policy = RetryPolicy::default();
        let budget = RetryBudget::new(&policy);
        let asked = Duration::from_secs(100);
        let wait = Backoff::new(&policy, &budget)
            .next_delay(FailureKind::Throttled(Some(asked)))
            .expect("a wait");
        assert!(wait >= asked && wait <= asked.mul_f64(1.25), "{wait:?}");
        let wait = Backoff::new(&policy, &budget)
            .next_delay(FailureKind::Throttled(Some(Duration::from_secs(1_000_000))))
            .expect("a wait");
        assert!(wait <= policy.throttled_base.mul_f64(1.25), "{wait:?}");
    }

    #[test]
    fn stops_after_the_last_try() {
        let policy = RetryPolicy::default();
        let budget = RetryBudget::new(&policy);
        let mut backoff = Backoff::new(&policy, &budget);
        let mut waited = Duration::ZERO;
        for _ in 1..policy.tries {
            waited += backoff.next_delay(FailureKind::Transient).expect("a wait");
        }
        assert!(waited >= Duration::from_secs(3), "{waited:?}");
        assert_eq!(backoff.next_delay(FailureKind::Transient), None);
        assert_eq!(backoff.tries().count, policy.tries);
        let mut backoff = Backoff::new(&policy, &budget);
        assert_eq!(backoff.next_delay(FailureKind::Permanent), None);
    }

    /// Returns the waits for failures of one kind, until the request is not tried again.
    fn waits(policy: &RetryPolicy, kind: FailureKind) -> Vec<Duration> {
        let budget = RetryBudget::new(policy);
        let mut backoff = Backoff::new(policy, &budget);
        std::iter::from_fn(|| backoff.next_delay(kind))
            .take(1000)
            .collect()
    }

    /// Returns a policy whose budget suffices for every request.
    fn generous_policy() -> RetryPolicy {
        RetryPolicy {
            budget: 1_000_000,
            ..RetryPolicy::default()
        }
    }

    #[test]
    fn tries_each_kind_of_failure_its_number_of_times() {
        let policy = generous_policy();
        for (kind, retries) in [
            (FailureKind::Permanent, 0),
            (FailureKind::NameResolution, 1),
            (FailureKind::ExpiredRedirect, 2),
            (FailureKind::Unsettled, 2),
            (FailureKind::Transient, policy.tries - 1),
            (FailureKind::Throttled(None), policy.throttled_tries - 1),
        ] {
            let found = waits(&policy, kind).len();
            assert_eq!(found, retries as usize, "{kind:?}");
        }
    }

    #[test]
    fn waits_twice_as_long_after_each_failure_up_to_a_limit() {
        let policy = RetryPolicy {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(5),
            throttled_base: Duration::from_secs(4),
            throttled_cap: Duration::from_secs(20),
            resume_cap: Duration::from_secs(3),
            tries: 6,
            throttled_tries: 6,
            ..generous_policy()
        };
        let in_range = |wait: &Duration, shortest: f64, longest: f64| {
            (shortest..=longest).contains(&wait.as_secs_f64())
        };
        // The delays are random, so each is drawn many times.
        for _ in 0..100 {
            let transient = waits(&policy, FailureKind::Transient);
            for (wait, longest) in transient.iter().zip([1.0, 2.0, 4.0, 5.0, 5.0]) {
                assert!(in_range(wait, longest / 2.0, longest), "{transient:?}");
            }
            let throttled = waits(&policy, FailureKind::Throttled(None));
            for (wait, shortest) in throttled.iter().zip([4.0, 8.0, 16.0, 20.0, 20.0]) {
                assert!(in_range(wait, shortest, shortest * 1.25), "{throttled:?}");
            }
            for (times, longest) in [(1, 1.0), (2, 2.0), (3, 3.0), (100, 3.0)] {
                let wait = resume_delay(&policy, times);
                assert!(in_range(&wait, longest / 2.0, longest), "{wait:?}");
            }
        }
    }

    /// The clients of a registry that failed must not return all at the same time.
    #[test]
    fn waits_are_spread_over_half_of_their_length() {
        let policy = generous_policy();
        let drawn: Vec<f64> = (0..1000)
            .map(|_| resume_delay(&policy, 1).div_duration_f64(policy.base))
            .collect();
        let shortest = drawn.iter().copied().fold(f64::MAX, f64::min);
        let longest = drawn.iter().copied().fold(0.0, f64::max);
        assert!(shortest < 0.6 && longest > 0.9, "{shortest} to {longest}");
    }

    #[test]
    fn obeys_retry_after_of_exactly_its_limit() {
        let policy = generous_policy();
        let asked = policy.longest_retry_after;
        for wait in waits(&policy, FailureKind::Throttled(Some(asked))) {
            assert!(wait >= asked && wait <= asked.mul_f64(1.25), "{wait:?}");
        }
    }

    #[test]
    fn a_success_puts_back_what_its_retries_took() {
        let policy = RetryPolicy::default();
        let budget = RetryBudget::new(&policy);
        let left = || budget.left.load(Ordering::Relaxed);
        let mut failing = Backoff::new(&policy, &budget);
        failing.next_delay(FailureKind::Transient).expect("a wait");
        assert_eq!(left(), policy.budget - TRANSIENT_COST);
        let mut backoff = Backoff::new(&policy, &budget);
        for kind in [
            FailureKind::Transient,
            FailureKind::Throttled(None),
            FailureKind::Unsettled,
        ] {
            backoff.next_delay(kind).expect("a wait");
        }
        let spent = 2 * TRANSIENT_COST + THROTTLED_COST;
        assert_eq!(left(), policy.budget - spent);
        backoff.record_success();
        assert_eq!(left(), policy.budget - TRANSIENT_COST + 1);
        // A request puts its retries back once, and the budget never exceeds the policy's.
        for _ in 0..TRANSIENT_COST + 5 {
            backoff.record_success();
        }
        assert_eq!(left(), policy.budget);
    }

    #[test]
    fn stops_when_the_budget_of_the_run_is_spent() {
        let policy = RetryPolicy::default();
        let budget = RetryBudget::new(&policy);
        let fail = || {
            let mut backoff = Backoff::new(&policy, &budget);
            let mut tries = 1;
            while backoff.next_delay(FailureKind::Transient).is_some() {
                tries += 1;
            }
            tries
        };
        assert_eq!([fail(), fail(), fail()], [6, 3, 1]);
        let budget = RetryBudget::new(&policy);
        for _ in 0..20 {
            let mut backoff = Backoff::new(&policy, &budget);
            for _ in 1..policy.tries {
                assert!(backoff.next_delay(FailureKind::Transient).is_some());
            }
            backoff.record_success();
        }
    }
}
