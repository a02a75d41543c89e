//! Detects bodies slower than 1 KiB/s, which would otherwise keep resetting the idle timeout.

use std::time::Duration;

use crate::http::body_clock::MIN_RATE;

/// Measures the rate of a body while the client waits for its chunks. The time between those waits,
/// in which the reader works on the bytes, does not count.
#[derive(Debug)]
pub(super) struct StallDetector {
    window: Duration,
    waited: Duration,
    bytes: usize,
}

impl StallDetector {
    /// Returns a detector that measures over twice the idle timeout: one minute by default.
    pub(super) const fn new(idle: Duration) -> Self {
        Self {
            window: idle.saturating_mul(2),
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Records a chunk and the wait for it. Returns whether the body is fast enough. After a body
    /// that is not, a new measurement begins.
    pub(super) fn record_chunk(&mut self, bytes: usize, waited: Duration) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited += waited;
        if self.waited < self.window {
            return true;
        }
        let is_fast_enough =
            self.bytes as u128 * 1000 >= self.waited.as_millis() * u128::from(MIN_RATE);
        self.waited = Duration::ZERO;
        self.bytes = 0;
        is_fast_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguishes_a_slow_body_from_a_stalled_one() {
        let second = Duration::from_secs(1);
        let mut slow = StallDetector::new(30 * second);
        assert!((0..600).all(|_| slow.record_chunk(1100, second)));
        let mut stalled = StallDetector::new(30 * second);
        assert!((0..59).all(|_| stalled.record_chunk(1, second)));
        assert!(!stalled.record_chunk(1, second));
        assert!(
            stalled.record_chunk(1, second),
            "a new response is measured anew"
        );
    }
}
