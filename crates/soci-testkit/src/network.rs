//! Changes to the network namespace of a test: addresses, host names, a name server, and dropped
//! packets.
//!
//! A test calls these functions inside [`namespace::isolated`](crate::namespace::isolated).

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::Write as _,
    net::IpAddr,
    path::Path,
    process::Command,
};

use tempfile::NamedTempFile;

/// Adds addresses of any range to the loopback device.
#[track_caller]
pub fn add_addresses(addresses: &[&str]) {
    for address in addresses {
        // Without `nodad`, an IPv6 address cannot be bound before the kernel has checked that it is
        // unique.
        let (bits, options): (_, &[_]) = if address.contains(':') {
            (128, &["nodad"])
        } else {
            (32, &[])
        };
        let address = format!("{address}/{bits}");
        let add = ["address", "replace", &address, "dev", "lo"];
        run("ip", &[&add[..], options].concat());
    }
}

/// Adds a host name with these addresses, which clients try in this order, and adds the addresses
/// to the loopback device.
#[track_caller]
pub fn add_host(name: &str, addresses: &[&str]) {
    add_addresses(addresses);
    let mut lines = String::new();
    for address in addresses {
        writeln!(lines, "{address} {name}").expect("a string");
    }
    let mut file = OpenOptions::new()
        .append(true)
        .open("/etc/hosts")
        .expect("the hosts file of a namespace");
    file.write_all(lines.as_bytes()).expect("a writable file");
}

/// Drops all packets to an address.
#[track_caller]
pub fn drop_packets_to(address: &str) {
    change_filter("-A", address, "DROP");
}

/// Delivers packets to an address again, after [`drop_packets_to`].
#[track_caller]
pub fn deliver_packets_to(address: &str) {
    change_filter("-D", address, "DROP");
}

/// Adds (`-A`) or removes (`-D`) a rule of the packet filter.
#[track_caller]
fn change_filter(change: &str, address: &str, verdict: &str) {
    let parsed: IpAddr = address.parse().expect("an address");
    let program = if parsed.is_ipv4() {
        "iptables"
    } else {
        "ip6tables"
    };
    run(program, &[change, "INPUT", "-d", address, "-j", verdict]);
}

/// Sets the name server for all names that are not in `/etc/hosts`, with one attempt of one second.
#[track_caller]
pub fn set_name_server(server: IpAddr) {
    let config = format!("nameserver {server}\noptions timeout:1 attempts:1\n");
    replace_file("/etc/resolv.conf", &config);
}

/// Replaces the content of a file, only as the processes of this namespace see it.
#[track_caller]
pub fn replace_file(path: &str, content: &str) {
    let file = NamedTempFile::new().expect("a temporary file");
    fs::write(&file, content).expect("a writable file");
    let (_, file) = file.keep().expect("a file that stays");
    let file_path = file.to_str().expect("a path");
    run("mount", &["--bind", file_path, path]);
    // The mount keeps the content after its name is gone.
    fs::remove_file(&file).expect("a temporary file");
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    // A user's search path may lack these directories.
    let path = ["/usr/sbin", "/sbin"]
        .iter()
        .map(|directory| Path::new(directory).join(program))
        .find(|path| path.exists());
    let path = path.unwrap_or_else(|| program.into());
    let output = Command::new(path).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
