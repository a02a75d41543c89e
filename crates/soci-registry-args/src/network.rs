//! Arguments that set timeouts, retries and the number of connections.

use std::num::NonZeroUsize;

use clap::Args;
use soci_cli::{Seconds, parse_count};
use soci_registry::{Connections, RetryPolicy, Timeouts};

/// The heading of these arguments in the help text. It stands at each argument, because
/// `next_help_heading` would also move the arguments after these under it.
const HEADING: &str = "Network";

/// Timeouts, retries and the number of connections.
#[derive(Args, Clone, Debug)]
pub struct NetworkArgs {
    /// Connections over which one layer is downloaded [default: 1, and up to 7 while they pay]
    #[arg(
        long,
        help_heading = HEADING,
        hide_short_help = true,
        value_name = "N",
        env = "SOCI_CONNECTIONS",
        value_parser = parse_count
    )]
    connections: Option<NonZeroUsize>,

    /// Longest time to connect, including the TLS handshake
    #[arg(
        long,
        help_heading = HEADING,
        hide_short_help = true,
        value_name = "DURATION",
        env = "SOCI_CONNECT_TIMEOUT",
        default_value = "10s"
    )]
    pub connect_timeout: Seconds,

    /// Longest wait for the first byte of a response
    #[arg(
        long,
        help_heading = HEADING,
        hide_short_help = true,
        value_name = "DURATION",
        env = "SOCI_FIRST_BYTE_TIMEOUT",
        default_value = "30s"
    )]
    pub first_byte_timeout: Seconds,

    /// Longest wait for the next byte of a response; a manifest or token may take ten times as long
    #[arg(
        long,
        help_heading = HEADING,
        hide_short_help = true,
        value_name = "DURATION",
        env = "SOCI_IDLE_TIMEOUT",
        default_value = "30s"
    )]
    pub idle_timeout: Seconds,

    /// Longest time without progress of an upload; its response may take five times as long
    #[arg(
        long,
        help_heading = HEADING,
        hide_short_help = true,
        value_name = "DURATION",
        env = "SOCI_UPLOAD_TIMEOUT",
        default_value = "60s"
    )]
    pub upload_timeout: Seconds,

    /// Longest time that a credential helper of Docker or a credential program of AWS may run
    #[arg(
        long,
        help_heading = HEADING,
        hide_short_help = true,
        value_name = "DURATION",
        env = "SOCI_HELPER_TIMEOUT",
        default_value = "30s"
    )]
    pub helper_timeout: Seconds,

    /// Wait before the first retry; four times as long if the registry throttles requests
    #[arg(
        long,
        help_heading = HEADING,
        hide_short_help = true,
        value_name = "DURATION",
        env = "SOCI_RETRY_WAIT",
        default_value = "250ms"
    )]
    pub retry_wait: Seconds,
}

impl NetworkArgs {
    /// Returns over how many connections one blob is downloaded.
    pub(crate) fn connections(&self) -> Connections {
        let fixed = self.connections.map(Connections::Fixed);
        fixed.unwrap_or_default()
    }

    /// Returns the timeouts of the registry client.
    pub(crate) fn timeouts(&self) -> Timeouts {
        let upload_stall = self.upload_timeout.0;
        Timeouts {
            connect: self.connect_timeout.0,
            first_byte: self.first_byte_timeout.0,
            idle: self.idle_timeout.0,
            upload_stall,
            upload_response: upload_stall.saturating_mul(5),
            helper: self.helper_timeout.0,
        }
    }

    /// Returns the retry policy of the registry client.
    pub(crate) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy::from_first_wait(self.retry_wait.0)
    }
}
