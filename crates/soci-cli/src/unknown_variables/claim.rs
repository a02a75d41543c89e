//! One warning for all tools of a pipe.

#[cfg(target_os = "linux")]
use std::io::IsTerminal as _;
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

/// How long the other tools of a pipe may take to start.
#[cfg(target_os = "linux")]
const START_OF_PIPE: Duration = Duration::from_millis(300);

/// The claims of this process on warnings, which other tools of the same pipe then leave out. They
/// end with the process.
///
/// The tools of a pipe share no channel for this, but they have the same parent, the shell. So a
/// claim is a Unix socket in Linux's abstract namespace, named after the parent. It has no file,
/// and the kernel removes it with the process. Whatever fails, the tool warns: two warnings are
/// better than none.
#[derive(Debug)]
pub(crate) struct Claims {
    #[cfg(target_os = "linux")]
    start: Instant,
    #[cfg(target_os = "linux")]
    sockets: Vec<std::os::unix::net::UnixListener>,
}

impl Claims {
    /// Returns no claims.
    pub(super) fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            start: Instant::now(),
            #[cfg(target_os = "linux")]
            sockets: Vec::new(),
        }
    }

    /// Claims the warning about a variable. Returns whether this process should warn: `false` if
    /// another tool of the same pipe has the claim.
    #[cfg(target_os = "linux")]
    pub(super) fn claim(&mut self, variable: &str) -> bool {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixListener};
        use std::os::unix::process::parent_id;

        // Containers may share a network namespace, and with it the names of sockets.
        let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let name = format!("soci {} {} {variable}", namespace.display(), parent_id());
        let address = SocketAddr::from_abstract_name(name);
        match address.and_then(|address| UnixListener::bind_addr(&address)) {
            Ok(socket) => {
                self.sockets.push(socket);
                true
            }
            Err(error) => error.kind() != std::io::ErrorKind::AddrInUse,
        }
    }

    /// Returns `true`: other systems have no abstract sockets, so each tool of a pipe warns.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn claim(&mut self, _variable: &str) -> bool {
        true
    }

    /// Ends the claims. A tool that fails at once would end before the other tools of its pipe have
    /// started, which would then warn again, so that it waits for them.
    pub(crate) fn end(self) {
        #[cfg(target_os = "linux")]
        if !self.sockets.is_empty() && !std::io::stdout().is_terminal() {
            std::thread::sleep(START_OF_PIPE.saturating_sub(self.start.elapsed()));
        }
    }
}
