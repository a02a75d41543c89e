//! How patient the tools are with a network, and how much of it they use.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

/// What the tools that speak to registries take about the network.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Connections over which one layer comes, for networks that limit each of them
    #[arg(long, value_name = "N", env = "SOCI_CONNECTIONS", default_value = "1")]
    pub connections: NonZeroUsize,

    /// Longest time until a connection stands, TLS included
    #[arg(
        long,
        value_name = "SECONDS",
        env = "SOCI_CONNECT_TIMEOUT",
        default_value = "10"
    )]
    pub connect_timeout: Seconds,

    /// Longest time until a reply begins
    #[arg(
        long,
        value_name = "SECONDS",
        env = "SOCI_FIRST_BYTE_TIMEOUT",
        default_value = "30"
    )]
    pub first_byte_timeout: Seconds,

    /// Longest time without a byte in the middle of a reply
    #[arg(
        long,
        value_name = "SECONDS",
        env = "SOCI_IDLE_TIMEOUT",
        default_value = "30"
    )]
    pub idle_timeout: Seconds,

    /// Longest time in which an upload does not move; its reply may take five times as long
    #[arg(
        long,
        value_name = "SECONDS",
        env = "SOCI_UPLOAD_TIMEOUT",
        default_value = "60"
    )]
    pub upload_timeout: Seconds,

    /// Longest run of a credential helper of Docker's configuration
    #[arg(
        long,
        value_name = "SECONDS",
        env = "SOCI_HELPER_TIMEOUT",
        default_value = "30"
    )]
    pub helper_timeout: Seconds,

    /// First wait before something is tried again; a registry that throttles gets four times as long
    #[arg(
        long,
        value_name = "SECONDS",
        env = "SOCI_RETRY_WAIT",
        default_value = "0.25"
    )]
    pub retry_wait: Seconds,
}

/// A length of time: seconds, of which a part may follow a decimal point. More than none, at most a day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seconds(pub Duration);

/// A text that is no length of time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected seconds, more than 0 and at most 86400, such as 30 or 0.5")]
pub struct SecondsError;

impl FromStr for Seconds {
    type Err = SecondsError;

    fn from_str(text: &str) -> Result<Self, SecondsError> {
        const LONGEST: Duration = Duration::from_hours(24);
        // `f64` also reads signs, exponents and words.
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let seconds = text.parse().ok().filter(|_| is_plain);
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration
            .filter(|duration| !duration.is_zero() && *duration <= LONGEST)
            .map(Self)
            .ok_or(SecondsError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_nothing_else() {
        let read = |text: &str| text.parse::<Seconds>().map(|seconds| seconds.0).ok();
        assert_eq!(read("30"), Some(Duration::from_secs(30)));
        assert_eq!(read("0.25"), Some(Duration::from_millis(250)));
        for text in [
            "", "0", "-1", "+1", "1e3", "1s", "inf", "NaN", "86401", ".", "1.2.3",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
