//! One warning for all tools of a pipe.

/// Claims the warning about a variable for this process, until it ends. Returns whether this
/// process should warn: `false` if another tool of the same pipe has the claim.
///
/// The tools of a pipe share no channel for this, but they have the same parent, the shell. So a
/// claim is a Unix socket in Linux's abstract namespace, named after the parent. It has no file,
/// and the kernel removes it with the process. Whatever fails, the tool warns: two warnings are
/// better than none.
#[cfg(target_os = "linux")]
pub(super) fn claim(variable: &str) -> bool {
    use std::io::ErrorKind;
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};
    use std::os::unix::process::parent_id;

    // Containers may share a network namespace, and with it the names of sockets.
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let name = format!("soci {} {} {variable}", namespace.display(), parent_id());
    let listener =
        SocketAddr::from_abstract_name(name).and_then(|name| UnixListener::bind_addr(&name));
    match listener {
        Ok(listener) => {
            // The claim lasts as long as the process.
            std::mem::forget(listener);
            true
        }
        Err(error) => error.kind() != ErrorKind::AddrInUse,
    }
}

/// Returns `true`: other systems have no abstract sockets, so each tool of a pipe warns.
#[cfg(not(target_os = "linux"))]
pub(super) fn claim(_variable: &str) -> bool {
    true
}
