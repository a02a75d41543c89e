//! The time that a body may take that is read whole: a manifest, a configuration, a token.
//!
//! Such a body is small, so a server that sends it byte by byte does not mean to send it. A byte
//! now and then would otherwise reset the idle timeout for ever.

use std::time::Duration;

use tokio::time::Instant;

/// The lowest accepted rate of a body, in bytes per second.
pub(crate) const MIN_RATE: u64 = 1024;

/// The longest time for each [`PART_SIZE`] of a body, as a multiple of the idle timeout: 5 minutes
/// by default.
const MAX_IDLE_TIMEOUTS: u32 = 10;

/// The bytes for which the longest time is allowed once: the size of the largest manifest.
const PART_SIZE: u64 = 4 << 20;

/// Measures how long a body takes.
#[derive(Debug)]
pub(crate) struct BodyClock {
    started: Instant,
    /// The longest wait for the next bytes, and the time after which the rate counts.
    idle: Duration,
}

/// The longest wait for the next bytes of a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BodyWait {
    pub(crate) time: Duration,
    limit: BodyLimit,
    idle: Duration,
}

/// What limits a wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum BodyLimit {
    /// No byte came for the idle timeout.
    Idle,
    /// After the idle timeout, the body is slower than [`MIN_RATE`].
    Rate,
    /// The body as a whole takes too long.
    Total,
}

impl BodyClock {
    /// Starts to measure a body whose bytes are awaited for at most `idle`.
    pub(crate) fn start(idle: Duration) -> Self {
        Self {
            started: Instant::now(),
            idle,
        }
    }

    /// Returns the longest wait for the next bytes of a body of which `received` bytes have come.
    pub(crate) fn next_wait(&self, received: u64) -> BodyWait {
        self.wait_after(self.started.elapsed(), received)
    }

    fn wait_after(&self, elapsed: Duration, received: u64) -> BodyWait {
        let earned = Duration::from_millis(received.saturating_mul(1000) / MIN_RATE);
        let until_rate = self.idle.saturating_add(earned).saturating_sub(elapsed);
        let until_total = longest_time(self.idle, received).saturating_sub(elapsed);
        let limits = [
            (self.idle, BodyLimit::Idle),
            (until_rate, BodyLimit::Rate),
            (until_total, BodyLimit::Total),
        ];
        let shortest = limits.into_iter().min_by_key(|(time, _)| *time);
        let (time, limit) = shortest.unwrap_or((self.idle, BodyLimit::Idle));
        BodyWait {
            time,
            limit,
            idle: self.idle,
        }
    }
}

impl BodyWait {
    /// Describes the end of the wait, as the reason of an interruption.
    pub(crate) fn describe(&self) -> String {
        match self.limit {
            BodyLimit::Idle => describe_stall(self.idle),
            BodyLimit::Rate => "slower than 1 KiB/s".to_owned(),
            BodyLimit::Total => {
                let total = longest_time(self.idle, 0);
                format!("not complete within {} s", total.as_secs_f64())
            }
        }
    }
}

/// Returns the longest time that a body of `size` bytes may take: 10 idle timeouts for each 4 MiB
/// that are begun.
pub(crate) fn longest_time(idle: Duration, size: u64) -> Duration {
    let parts = size.div_ceil(PART_SIZE).max(1);
    let parts = u32::try_from(parts).unwrap_or(u32::MAX);
    idle.saturating_mul(MAX_IDLE_TIMEOUTS).saturating_mul(parts)
}

/// Returns the reason of an interruption by a body that sent nothing for `idle`.
pub(crate) fn describe_stall(idle: Duration) -> String {
    format!("no byte for {} s", idle.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns the longest wait, in seconds, and its reason.
    fn wait(elapsed: u32, received: u64) -> (u64, String) {
        let clock = BodyClock::start(30 * SECOND);
        let wait = clock.wait_after(elapsed * SECOND, received);
        (wait.time.as_secs(), wait.describe())
    }

    #[test]
    fn a_body_that_trickles_is_stopped_after_the_idle_timeout() {
        assert_eq!(wait(0, 0), (30, "no byte for 30 s".to_owned()));
        assert_eq!(wait(29, 29), (1, "slower than 1 KiB/s".to_owned()));
        assert_eq!(wait(31, 31).0, 0);
    }

    #[test]
    fn a_slow_body_has_ten_idle_timeouts() {
        assert_eq!(wait(60, 60 << 10), (30, "no byte for 30 s".to_owned()));
        let (left, reason) = wait(290, 400 << 10);
        assert_eq!((left, &*reason), (10, "not complete within 300 s"));
        assert_eq!(longest_time(SECOND, 4 << 20), 10 * SECOND);
        assert_eq!(longest_time(SECOND, (4 << 20) + 1), 20 * SECOND);
        assert_eq!(longest_time(SECOND, u64::MAX), 10 * SECOND * u32::MAX);
    }
}
