//! Arguments that set how to reach registries.

use std::path::PathBuf;

use clap::Args;
use soci_cli::parse_flag;
use soci_registry::{ClientOptions, PlainHttp};
use soci_transport::Session;

use crate::network::NetworkArgs;

/// The name of the tools in the header `User-Agent`.
const USER_AGENT: &str = concat!("soci-tools/", env!("CARGO_PKG_VERSION"));

/// The heading of these arguments in the help text. It stands at each argument, because
/// `next_help_heading` would also move the arguments after these under it.
const HEADING: &str = "Registry";

/// How to reach registries, and with which credentials.
#[derive(Args, Clone, Debug)]
pub struct RegistryArgs {
    /// Use plain HTTP for the registry [default: only for loopback hosts]
    ///
    /// With =false, it is never used.
    #[arg(long, help_heading = HEADING, hide_short_help = true, env = "SOCI_PLAIN_HTTP", value_name = "BOOL", value_parser = parse_flag, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub plain_http: Option<bool>,

    /// File with credentials, in the format of Docker's config.json
    #[arg(
        long,
        help_heading = HEADING,
        hide_short_help = true,
        value_name = "FILE",
        env = "SOCI_AUTHFILE"
    )]
    pub authfile: Option<PathBuf>,

    /// File with certificates (PEM) to trust in addition to the system's
    ///
    /// They are those of authorities, or of the registry itself. The option may be repeated.
    #[arg(
        long,
        help_heading = HEADING,
        hide_short_help = true,
        value_name = "FILE",
        env = "SOCI_CA_FILE",
        value_delimiter = ','
    )]
    pub ca_file: Vec<PathBuf>,

    /// Timeouts, retries and the number of connections.
    #[command(flatten)]
    pub network: NetworkArgs,
}

impl RegistryArgs {
    /// Returns a session with these arguments. If a signal ends the process, the session's open
    /// uploads are cancelled.
    pub fn session(&self) -> Session {
        let session = Session::new(self.client_options());
        let interrupted = session.clone();
        soci_cli::on_signal(move || interrupted.cancel_uploads());
        session
    }

    fn client_options(&self) -> ClientOptions {
        ClientOptions {
            plain_http: match self.plain_http {
                None => PlainHttp::Loopback,
                Some(true) => PlainHttp::Always,
                Some(false) => PlainHttp::Never,
            },
            authfile: self.authfile.clone(),
            ca_files: self.ca_file.clone(),
            user_agent: USER_AGENT.to_owned(),
            timeouts: self.network.timeouts(),
            retries: self.network.retry_policy(),
            connections: self.network.connections(),
        }
    }
}
