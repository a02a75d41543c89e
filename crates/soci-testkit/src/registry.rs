//! Real registries on loopback: Debian's `docker-registry` (distribution 2.8, which has no referrers API) and
//! olareg (which has it).
//!
//! [`Registry::distribution`] and [`Registry::olareg`] start plain ones; [`Setup`] adds credentials, TLS, a port.

use std::{
    fmt::Write as _,
    fs, io,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::{
    certificate::{self, Flaw},
    http::{self, Response},
    process::Sandbox,
    server::{Server, from_setup},
};

/// The user that a registry with credentials knows: the one of ECR.
pub const USER: &str = "AWS";
/// The user's password: what moto's `GetAuthorizationToken` gives for its account, 123456789012.
pub const PASSWORD: &str = "123456789012-auth-token";
/// Both, as HTTP Basic sends them.
const CREDENTIALS: &str = "QVdTOjEyMzQ1Njc4OTAxMi1hdXRoLXRva2Vu";
/// The password as bcrypt keeps it, with the least cost.
const PASSWORD_HASH: &str = "$2a$04$34EtrnOeW0ASsXz/k0c/KeReHPZBN2kAUYgnuasI26UUyhMf/dq8S";

/// Which registry to start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Program {
    Distribution,
    Olareg,
}

/// What a client must show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Access {
    Anonymous,
    Basic,
}

/// A registry to be started.
#[derive(Clone, Debug)]
#[must_use]
pub struct Setup {
    program: Program,
    access: Access,
    names: Vec<String>,
    port: u16,
}

impl Setup {
    /// A registry without the referrers API; blobs and manifests can be deleted.
    pub fn distribution() -> Self {
        Self {
            program: Program::Distribution,
            access: Access::Anonymous,
            names: Vec::new(),
            port: 0,
        }
    }

    /// A registry with the referrers API.
    pub fn olareg() -> Self {
        Self {
            program: Program::Olareg,
            ..Self::distribution()
        }
    }

    /// Asks for [`USER`] and [`PASSWORD`] by HTTP Basic.
    pub fn basic_auth(mut self) -> Self {
        self.access = Access::Basic;
        self
    }

    /// Serves HTTPS under these names, with a certificate of its own [`Registry::ca_file`]; `127.0.0.1` and
    /// `localhost` are always among them.
    pub fn tls(mut self, names: &[&str]) -> Self {
        self.names = ["127.0.0.1", "localhost"]
            .iter()
            .chain(names)
            .map(|name| (*name).to_owned())
            .collect();
        self
    }

    /// Serves on this port, not on one that is free.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts the registry and waits until it answers.
    pub fn start(self) -> Registry {
        let program = match self.program {
            Program::Distribution => PathBuf::from("docker-registry"),
            Program::Olareg => from_setup("olareg"),
        };
        let prepare = |directory: &Path, port| {
            if !self.names.is_empty() {
                write_certificates(directory, &self.names);
            }
            match self.program {
                Program::Distribution => distribution_command(&self, &program, directory, port),
                Program::Olareg => olareg_command(&self, &program, directory, port),
            }
        };
        let ready = |port| {
            if self.names.is_empty() {
                http::get(&loopback(port), "/v2/", &[]).is_ok()
            } else {
                TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
            }
        };
        let server = Server::start(self.port, prepare, ready);
        Registry {
            setup: self,
            server,
        }
    }
}

/// A registry that runs until it is dropped.
#[derive(Debug)]
pub struct Registry {
    setup: Setup,
    server: Server,
}

impl Registry {
    /// Starts a plain, open registry without the referrers API.
    pub fn distribution() -> Self {
        Setup::distribution().start()
    }

    /// Starts a plain, open registry with the referrers API.
    pub fn olareg() -> Self {
        Setup::olareg().start()
    }

    /// Returns the registry as it stands in a reference: `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        loopback(self.server.port())
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Returns a file with the certificate to trust, for a registry with TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.server.directory().join("ca.crt")
    }

    /// Returns the directory that the registry stores in.
    pub fn data(&self) -> PathBuf {
        self.server.directory().join("data")
    }

    /// Returns what the registry has logged so far; distribution has one line for each request.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Sends a `GET` to a registry without TLS; each header is a whole line.
    ///
    /// # Errors
    ///
    /// When the registry cannot be reached.
    pub fn get(&self, path: &str, headers: &[&str]) -> io::Result<Response> {
        http::get(&self.host(), path, headers)
    }

    /// Fetches a manifest, be it an index or not, from a registry without TLS and credentials.
    pub fn manifest(&self, repository: &str, reference: &str) -> Response {
        let accept = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.docker.distribution.manifest.v2+json";
        self.get(
            &format!("/v2/{repository}/manifests/{reference}"),
            &[accept],
        )
        .expect("a registry that runs")
    }

    /// Copies the image of an OCI layout, with all its platforms and byte for byte, to `repository:tag`.
    #[track_caller]
    pub fn push(&self, layout: &Path, repository_and_tag: &str) {
        let source = format!("oci:{}", layout.display());
        let target = format!("docker://{}/{repository_and_tag}", self.host());
        let sandbox = Sandbox::new();
        let credentials = json!({"auths": {self.host(): {"auth": CREDENTIALS}}}).to_string();
        let authfile = sandbox.write("auth.json", credentials);
        let skopeo = sandbox.program("skopeo").args([
            "--insecure-policy",
            "copy",
            "--all",
            "--preserve-digests",
        ]);
        let skopeo = skopeo
            .env("REGISTRY_AUTH_FILE", authfile)
            .env("SSL_CERT_FILE", self.ca_file());
        let tls = format!("--dest-tls-verify={}", !self.setup.names.is_empty());
        skopeo.args([tls, source, target]).run().succeeds();
    }
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn distribution_command(setup: &Setup, program: &Path, directory: &Path, port: u16) -> Command {
    let root = directory.display();
    let mut config = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: {root}/data}}\n  \
         delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:{port}\n"
    );
    if !setup.names.is_empty() {
        writeln!(
            config,
            "  tls: {{certificate: {root}/server.crt, key: {root}/server.key}}"
        )
        .expect("a string");
    }
    if setup.access == Access::Basic {
        writeln!(
            config,
            "auth:\n  htpasswd: {{realm: test, path: {root}/htpasswd}}"
        )
        .expect("a string");
        fs::write(
            directory.join("htpasswd"),
            format!("{USER}:{PASSWORD_HASH}\n"),
        )
        .expect("a new file");
    }
    let file = directory.join("config.yml");
    fs::write(&file, config).expect("a new file");
    let mut command = Command::new(program);
    command.arg("serve").arg(file);
    command
}

fn olareg_command(setup: &Setup, program: &Path, directory: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args([
        "serve",
        "--addr",
        "127.0.0.1",
        "--api-delete",
        "--api-blob-delete",
        "--verbosity",
        "debug",
    ]);
    command
        .arg("--port")
        .arg(port.to_string())
        .arg("--dir")
        .arg(directory.join("data"));
    if !setup.names.is_empty() {
        command.arg("--tls-cert").arg(directory.join("server.crt"));
        command.arg("--tls-key").arg(directory.join("server.key"));
    }
    if setup.access == Access::Basic {
        let users = json!({"users": {USER: {"cred": PASSWORD_HASH}}, "groups": {"all": {"members": [USER]}},
            "acls": [{"repo": "*", "members": ["all"], "access": ["*"]}, {"repo": "", "members": ["all"], "access": ["read"]}]});
        let file = directory.join("users.json");
        fs::write(&file, users.to_string()).expect("a new file");
        command.arg("--auth-basic").arg(file);
    }
    command
}

/// Writes `ca.crt`, and `server.crt` with `server.key` that it has signed.
fn write_certificates(directory: &Path, names: &[String]) {
    let issued = certificate::issue(names, Flaw::None);
    for (name, content) in [
        ("ca.crt", issued.authority_pem),
        ("server.crt", issued.pem),
        ("server.key", issued.key_pem),
    ] {
        fs::write(directory.join(name), content).expect("a new file");
    }
}
