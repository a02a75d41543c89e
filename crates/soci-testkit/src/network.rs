//! What a test does to the network of its own that [`namespace::isolated`](crate::namespace::isolated) gives it: more
//! addresses, more names, places that swallow what they are sent.

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::Write as _,
    net::IpAddr,
    path::Path,
    process::Command,
};

use tempfile::NamedTempFile;

/// Puts addresses on this machine, of any range.
#[track_caller]
pub fn add_addresses(addresses: &[&str]) {
    for address in addresses {
        // An address of version 6 cannot be bound before the kernel has looked for others that have it, unless told not to.
        let (bits, at_once): (_, &[_]) = if address.contains(':') {
            (128, &["nodad"])
        } else {
            (32, &[])
        };
        let address = format!("{address}/{bits}");
        let add = ["address", "replace", &address, "dev", "lo"];
        run("ip", &[&add[..], at_once].concat());
    }
}

/// Gives a host its addresses, which are tried in this order, and puts them on this machine.
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
        .expect("a network of one's own");
    file.write_all(lines.as_bytes()).expect("a writable file");
}

/// Lets all that is sent to an address vanish without a word.
#[track_caller]
pub fn swallow(address: &str) {
    filter("-A", address, "DROP");
}

/// Ends what [`swallow`] has begun.
#[track_caller]
pub fn spit_out(address: &str) {
    filter("-D", address, "DROP");
}

#[track_caller]
fn filter(change: &str, address: &str, verdict: &str) {
    let parsed: IpAddr = address.parse().expect("an address");
    let program = if parsed.is_ipv4() {
        "iptables"
    } else {
        "ip6tables"
    };
    run(program, &[change, "INPUT", "-d", address, "-j", verdict]);
}

/// Asks this server for all names that the table of hosts does not have: one try of a second.
#[track_caller]
pub fn resolve_by(server: IpAddr) {
    let config = format!("nameserver {server}\noptions timeout:1 attempts:1\n");
    replace("/etc/resolv.conf", &config);
}

/// Lays other content over a file, for this network only.
#[track_caller]
pub fn replace(path: &str, content: &str) {
    let file = NamedTempFile::new().expect("a temporary file");
    fs::write(&file, content).expect("a writable file");
    let (_, file) = file.keep().expect("a file that stays");
    let file_path = file.to_str().expect("a path");
    run("mount", &["--bind", file_path, path]);
    // What is mounted stays, whatever becomes of the name.
    fs::remove_file(&file).expect("a file of one's own");
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    // Where there is no `sbin` in the path of a user.
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
