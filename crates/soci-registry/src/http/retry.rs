//! When to try again, and when to stop.
//!
//! Transient faults wait with jitter, throttles as long as the registry says; both draw on a budget of the whole run.
//! Nothing here sends anything.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

use crate::error::{Operation, Tries};
use crate::http::response::{Refused, Sender};
use crate::options::RetryPolicy;

/// Why a try failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    /// It will fail again.
    Final,
    /// The host's name does not resolve: worth one more try.
    Name,
    /// What the registry redirected to has expired: ask the registry again.
    Stale,
    /// The registry wants us to wait, perhaps for as long as it says.
    Throttled(Option<Duration>),
    /// It may work the next time.
    Transient,
}

/// What the retries of a run may cost, all requests together.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicU32,
    whole: u32,
}

/// What one retry costs: a throttle says when to come back, other faults do not.
const TRANSIENT_COST: u32 = 14;
const THROTTLE_COST: u32 = 5;

impl Budget {
    pub(crate) const fn new(policy: &RetryPolicy) -> Self {
        Self {
            left: AtomicU32::new(policy.budget),
            whole: policy.budget,
        }
    }

    /// Takes `cost` where that much is left.
    fn spend(&self, cost: u32) -> bool {
        let spent = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(cost)
            });
        spent.is_ok()
    }

    fn refund(&self, amount: u32) {
        // The update always has a value, so it cannot fail.
        let _ = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_add(amount).min(self.whole))
            });
    }
}

/// Counts the tries of one request.
#[derive(Debug)]
pub(crate) struct Backoff<'a> {
    policy: &'a RetryPolicy,
    budget: &'a Budget,
    spent: u32,
    started: Instant,
    failures: u32,
    transient: u32,
    throttled: u32,
}

/// How often an expired redirect, or a name that does not resolve, is tried.
const SECOND_CHANCES: u32 = 2;

impl<'a> Backoff<'a> {
    pub(crate) fn new(policy: &'a RetryPolicy, budget: &'a Budget) -> Self {
        Self {
            policy,
            budget,
            spent: 0,
            started: Instant::now(),
            failures: 0,
            transient: 0,
            throttled: 0,
        }
    }

    /// Notes a failure and returns how long to wait before the next try, or nothing when there is no next one.
    pub(crate) fn wait(&mut self, cause: Cause) -> Option<Duration> {
        self.failures += 1;
        let policy = self.policy;
        let (wait, cost) = match cause {
            Cause::Final => None,
            Cause::Name | Cause::Stale | Cause::Transient => {
                self.transient += 1;
                let tries = match cause {
                    Cause::Name => SECOND_CHANCES,
                    Cause::Stale => SECOND_CHANCES + 1,
                    _ => policy.tries,
                };
                let longest = grown(policy.base, self.transient, policy.cap);
                (self.transient < tries).then(|| (jittered(longest), TRANSIENT_COST))
            }
            Cause::Throttled(asked) => {
                self.throttled += 1;
                let least = asked
                    .filter(|asked| *asked <= policy.longest_retry_after)
                    .unwrap_or_else(|| {
                        grown(policy.throttled_base, self.throttled, policy.throttled_cap)
                    });
                let jitter = 1.0 + fastrand::f64() / 4.0;
                (self.throttled < policy.throttled_tries)
                    .then(|| (least.mul_f64(jitter), THROTTLE_COST))
            }
        }?;
        if !self.budget.spend(cost) {
            tracing::debug!("the run's budget for retries is spent");
            return None;
        }
        self.spent += cost;
        Some(wait)
    }

    /// Notes that the request succeeded: what its retries cost can be spent again, and a little more.
    pub(crate) fn succeed(&mut self) {
        self.budget.refund(std::mem::take(&mut self.spent) + 1);
    }

    /// Returns how often it was tried so far.
    pub(crate) fn tries(&self) -> Tries {
        Tries {
            count: self.failures,
            elapsed: self.started.elapsed(),
        }
    }
}

/// Returns how long to wait before a body is resumed that broke off `times` times in a row.
pub(crate) fn after_cut(policy: &RetryPolicy, times: u32) -> Duration {
    jittered(grown(policy.base, times, policy.cut_cap))
}

/// Returns between a half and the whole of a wait: never so little that a server which restarts is missed, never so much
/// the same that many clients come back at once.
fn jittered(longest: Duration) -> Duration {
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Returns `base` doubled with every failure after the first, at most `cap`.
fn grown(base: Duration, failures: u32, cap: Duration) -> Duration {
    let factor = 1_u32 << failures.saturating_sub(1).min(16);
    base.saturating_mul(factor).min(cap)
}

/// Says once what goes wrong, and waits.
pub(crate) async fn pause(operation: &Operation, reason: &str, tries: Tries, wait: Duration) {
    tracing::warn!(
        "{operation}: {reason}; try {} failed, next one in {:.1} s",
        tries.count,
        wait.as_secs_f64()
    );
    tokio::time::sleep(wait).await;
}

/// Says why a registry refused.
pub(crate) fn cause(refused: &Refused) -> Cause {
    let refusal = &refused.refusal;
    let throttle = refusal.status == 429
        || refusal.code == "TOOMANYREQUESTS"
        || refusal.code.starts_with("Throttling")
        || (refusal.status == 400 && refusal.message.contains("ThrottlingException"));
    let after = retry_after(&refused.headers);
    match refusal.status {
        _ if throttle => Cause::Throttled(after),
        503 if after.is_some() => Cause::Throttled(after),
        408 | 500 | 502 | 503 | 504 | 522 => Cause::Transient,
        400 | 401 | 403 | 404 if refused.sender == Sender::Elsewhere => Cause::Stale,
        _ => Cause::Final,
    }
}

/// Returns how long a reply asks to wait: whole seconds, or until a date. A date that has passed means no wait.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "a date in a header means nothing without the time of day"
    )]
    let now = SystemTime::now();
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refusal;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().expect("a header value"));
        headers
    }

    fn refused(status: u16, sender: Sender) -> Refused {
        Refused {
            refusal: Refusal {
                status,
                code: String::new(),
                message: String::new(),
            },
            headers: HeaderMap::new(),
            sender,
            host: "r.example".to_owned(),
        }
    }

    #[test]
    fn reads_retry_after() {
        let past = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(&headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers(past)), Some(Duration::ZERO));
        for text in ["-1", "soon", "", "1.5", "99999999999999999999999"] {
            assert_eq!(retry_after(&headers(text)), None, "{text}");
        }
    }

    #[test]
    fn obeys_retry_after_within_reason() {
        let policy = RetryPolicy::default();
        let budget = Budget::new(&policy);
        let asked = Duration::from_secs(100);
        let wait = Backoff::new(&policy, &budget)
            .wait(Cause::Throttled(Some(asked)))
            .expect("a wait");
        assert!(wait >= asked && wait <= asked.mul_f64(1.25), "{wait:?}");
        let wait = Backoff::new(&policy, &budget)
            .wait(Cause::Throttled(Some(Duration::from_secs(1_000_000))))
            .expect("a wait");
        assert!(wait <= policy.throttled_base.mul_f64(1.25), "{wait:?}");
    }

    #[test]
    fn stops_after_the_last_try() {
        let policy = RetryPolicy::default();
        let budget = Budget::new(&policy);
        let mut backoff = Backoff::new(&policy, &budget);
        let mut waited = Duration::ZERO;
        for _ in 1..policy.tries {
            waited += backoff.wait(Cause::Transient).expect("a wait");
        }
        assert!(waited >= Duration::from_secs(3), "{waited:?}");
        assert_eq!(backoff.wait(Cause::Transient), None);
        assert_eq!(backoff.tries().count, policy.tries);
        let mut backoff = Backoff::new(&policy, &budget);
        assert_eq!(backoff.wait(Cause::Final), None);
    }

    #[test]
    fn spends_no_more_than_the_budget_of_the_run() {
        let policy = RetryPolicy::default();
        let budget = Budget::new(&policy);
        let fail = || {
            let mut backoff = Backoff::new(&policy, &budget);
            let mut tries = 1;
            while backoff.wait(Cause::Transient).is_some() {
                tries += 1;
            }
            tries
        };
        assert_eq!([fail(), fail(), fail()], [6, 3, 1]);
        let budget = Budget::new(&policy);
        for _ in 0..20 {
            let mut backoff = Backoff::new(&policy, &budget);
            for _ in 1..policy.tries {
                assert!(backoff.wait(Cause::Transient).is_some());
            }
            backoff.succeed();
        }
    }

    #[test]
    fn sorts_refusals() {
        assert_eq!(cause(&refused(404, Sender::Registry)), Cause::Final);
        assert_eq!(cause(&refused(403, Sender::Elsewhere)), Cause::Stale);
        assert_eq!(cause(&refused(503, Sender::Registry)), Cause::Transient);
        let mut throttled = refused(503, Sender::Registry);
        throttled.headers = headers("2");
        assert_eq!(
            cause(&throttled),
            Cause::Throttled(Some(Duration::from_secs(2)))
        );
        let mut throttled = refused(400, Sender::Registry);
        throttled.refusal.code = "ThrottlingException".to_owned();
        assert_eq!(cause(&throttled), Cause::Throttled(None));
    }
}
