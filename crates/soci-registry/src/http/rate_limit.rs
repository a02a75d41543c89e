//! Requests of one kind at a steady pace, where a registry is known to refuse a faster one.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Gives every request a slot of its own.
#[derive(Debug)]
pub(crate) struct Pacing {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pacing {
    /// Allows `per_second` requests a second, evenly. At least 1.
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            next: Mutex::default(),
        }
    }

    /// Waits for the next free slot.
    pub(crate) async fn wait(&self) {
        let slot = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let slot = next.unwrap_or(now).max(now);
            *next = Some(slot + self.interval);
            slot
        };
        tokio::time::sleep_until(slot).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_each_request_a_slot() {
        let pacing = Pacing::new(100);
        let started = Instant::now();
        for _ in 0..4 {
            pacing.wait().await;
        }
        assert!(started.elapsed() >= Duration::from_millis(30));
    }
}
