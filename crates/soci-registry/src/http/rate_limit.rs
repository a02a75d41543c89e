//! Limits the rate of requests to a registry with a known quota.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Spaces requests evenly.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    interval: Duration,
    /// The earliest time of the next request.
    next: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// Allows `per_second` requests a second, at least 1.
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            next: Mutex::default(),
        }
    }

    /// Waits until the next request may be sent.
    pub(crate) async fn acquire(&self) {
        let slot = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let slot = next.unwrap_or(now).max(now);
            *next = Some(slot + self.interval);
            slot
        };
        let wait = slot.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            let seconds = wait.as_secs_f64();
            tracing::debug!(
                "waiting {seconds:.1} s, because the registry limits the rate of pushed manifests"
            );
        }
        tokio::time::sleep_until(slot).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn spaces_requests_by_the_interval() {
        let limiter = RateLimiter::new(100);
        let started = Instant::now();
        for _ in 0..4 {
            limiter.acquire().await;
        }
        assert!(started.elapsed() >= Duration::from_millis(30));
    }
}
