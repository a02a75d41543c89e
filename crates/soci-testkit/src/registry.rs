//! Real registries on loopback: Debian's `docker-registry` and olareg.
//!
//! `docker-registry` is distribution 2.8, without the referrers API. olareg has that API.
//! `Registry::distribution` and `Registry::olareg` start them without credentials and TLS;
//! `Setup` adds these.

use std::{
    fmt::Write as _,
    fs, io,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::{
    certificate::{self, Flaw, Trusted},
    http::{self, Response},
    process::Sandbox,
    server::{Server, path_from_setup},
};

/// The user of a registry with credentials, which is the one of ECR.
pub const USER: &str = "AWS";
/// The user's password, which is the one that moto's `GetAuthorizationToken` returns for its
/// account 123456789012.
pub const PASSWORD: &str = "123456789012-auth-token";
/// User and password, as HTTP Basic sends them.
const CREDENTIALS: &str = "QVdTOjEyMzQ1Njc4OTAxMi1hdXRoLXRva2Vu";
/// The bcrypt hash of the password, with the lowest cost.
const PASSWORD_HASH: &str = "$2a$04$34EtrnOeW0ASsXz/k0c/KeReHPZBN2kAUYgnuasI26UUyhMf/dq8S";

/// The program of a registry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Program {
    Distribution,
    Olareg,
}

/// The credentials that a client needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Access {
    Anonymous,
    Basic,
}

/// The setup of a registry before it starts.
#[derive(Clone, Debug)]
#[must_use]
pub struct Setup {
    program: Program,
    access: Access,
    names: Vec<String>,
    port: u16,
}

impl Setup {
    /// Returns a registry without the referrers API. Blobs and manifests can be deleted.
    pub fn distribution() -> Self {
        Self {
            program: Program::Distribution,
            access: Access::Anonymous,
            names: Vec::new(),
            port: 0,
        }
    }

    /// Returns a registry with the referrers API.
    pub fn olareg() -> Self {
        Self {
            program: Program::Olareg,
            ..Self::distribution()
        }
    }

    /// Requires [`USER`] and [`PASSWORD`] by HTTP Basic.
    pub fn basic_auth(mut self) -> Self {
        self.access = Access::Basic;
        self
    }

    /// Serves HTTPS under these names, and under `127.0.0.1` and `localhost`. The certificate's
    /// authority is in [`Registry::ca_file`].
    pub fn tls(mut self, names: &[&str]) -> Self {
        self.names = ["127.0.0.1", "localhost"]
            .iter()
            .chain(names)
            .map(|name| (*name).to_owned())
            .collect();
        self
    }

    /// Listens on this port instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts the registry, and waits until it answers.
    pub fn start(self) -> Registry {
        let program = match self.program {
            Program::Distribution => PathBuf::from("docker-registry"),
            Program::Olareg => path_from_setup("olareg"),
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
        let is_ready = |port| {
            if self.names.is_empty() {
                http::get(&loopback(port), "/v2/", &[]).is_ok()
            } else {
                TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
            }
        };
        let server = Server::start(self.port, prepare, is_ready);
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
    /// Starts a registry without the referrers API, credentials and TLS.
    pub fn distribution() -> Self {
        Setup::distribution().start()
    }

    /// Starts a registry with the referrers API, without credentials and TLS.
    pub fn olareg() -> Self {
        Setup::olareg().start()
    }

    /// Returns the registry's host as it is written in a reference: `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        loopback(self.server.port())
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Returns the file with the certificate to trust, for a registry with TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.server.directory().join("ca.crt")
    }

    /// Returns the directory of the registry's content.
    pub fn data(&self) -> PathBuf {
        self.server.directory().join("data")
    }

    /// Returns the registry's log so far. Distribution writes one line for each request.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Sends a `GET` to a registry without TLS. Each header is a whole line, such as `Accept: */*`.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry cannot be reached.
    pub fn get(&self, path: &str, headers: &[&str]) -> io::Result<Response> {
        http::get(&self.host(), path, headers)
    }

    /// Fetches a manifest or an index from a registry without TLS and credentials.
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

    /// Returns Docker's `config.json` after `docker login` with [`USER`] and [`PASSWORD`].
    pub fn docker_config(&self) -> String {
        json!({"auths": {self.host(): {"auth": CREDENTIALS}}}).to_string()
    }

    /// Copies the image of an OCI layout, with all its platforms, to `repository:tag`.
    #[track_caller]
    pub fn push(&self, layout: &Path, repository_and_tag: &str) {
        let source = format!("oci:{}", layout.display());
        let target = format!("docker://{}/{repository_and_tag}", self.host());
        let sandbox = Sandbox::new();
        let authfile = sandbox.write("auth.json", self.docker_config());
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

/// Writes the authority's `ca.crt`, and the server's `server.crt` and `server.key`.
fn write_certificates(directory: &Path, names: &[String]) {
    let issued = certificate::issue(names, Flaw::None, Trusted::Authority);
    for (name, content) in [
        ("ca.crt", issued.trusted_pem),
        ("server.crt", issued.pem),
        ("server.key", issued.key_pem),
    ] {
        fs::write(directory.join(name), content).expect("a new file");
    }
}
