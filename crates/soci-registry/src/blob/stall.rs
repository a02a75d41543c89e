//! Whether a body still moves: a byte now and then keeps a connection open, and never brings a layer.

use std::time::Duration;

/// Counts what comes while it is waited for. Time that the reader of the bytes takes is not the sender's.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    waited: Duration,
    bytes: usize,
}

/// How many bytes must come in a second of waiting.
const LEAST: u128 = 1024;

impl Pace {
    /// Judges over twice the time after which a silent body counts as broken: a minute, by default.
    pub(super) const fn new(idle: Duration) -> Self {
        Self {
            window: idle.saturating_mul(2),
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Notes a piece that was waited for, and says whether the body is fast enough.
    pub(super) fn keeps(&mut self, bytes: usize, waited: Duration) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited += waited;
        if self.waited < self.window {
            return true;
        }
        let keeps = self.bytes as u128 * 1000 >= self.waited.as_millis() * LEAST;
        self.waited = Duration::ZERO;
        self.bytes = 0;
        keeps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_slow_body_from_one_that_trickles() {
        let second = Duration::from_secs(1);
        let mut slow = Pace::new(30 * second);
        assert!((0..600).all(|_| slow.keeps(1100, second)));
        let mut trickling = Pace::new(30 * second);
        assert!((0..59).all(|_| trickling.keeps(1, second)));
        assert!(!trickling.keeps(1, second));
        assert!(trickling.keeps(1, second), "a new reply gets a new chance");
    }
}
