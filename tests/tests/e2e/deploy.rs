//! The files of `deploy/`: their scripts are run as they stand there, with the real tools, against
//! registries on loopback.

mod backfill;
mod ci;
mod docker;
mod github;
mod kubernetes;
mod schemas;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use soci_testkit::{
    image::{self, Image},
    process::{Sandbox, Tool},
    registry::Registry,
    workspace,
};

use crate::stages::layer;

/// Writes a program into the folder `bin` of a sandbox.
fn write_program(sandbox: &Sandbox, name: &str, content: &str) {
    let path = sandbox.write(&format!("bin/{name}"), content);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a new file");
}

/// Returns the folder of the tools.
fn tools() -> std::path::PathBuf {
    let tool = workspace::bin("soci-pull");
    tool.parent().expect("a folder").to_owned()
}

/// Makes a folder with the tools and `name`, which is the container's entrypoint.
fn install_tools(folder: &Path, name: &str) {
    fs::create_dir_all(folder).expect("a new folder");
    let link = |from: &Path, name: &str| {
        std::os::unix::fs::symlink(from, folder.join(name)).expect("a new link");
    };
    for tool in workspace::TOOLS {
        link(&tools().join(tool), tool);
    }
    link(&workspace::root().join("scripts/entrypoint.sh"), name);
}

/// Returns a command line whose search path begins with the folder `bin` of the sandbox.
fn with_bin(sandbox: &Sandbox, tool: Tool) -> Tool {
    let mut path = sandbox.path().join("bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").expect("a search path"));
    tool.env("PATH", path)
}

/// Lets skopeo speak HTTP to a registry. It speaks HTTPS even to this machine otherwise.
fn trust_plain_http(sandbox: &Sandbox, registry: &Registry) {
    let host = registry.host();
    let insecure = format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n");
    sandbox.write("home/.config/containers/registries.conf", insecure);
}

/// Pushes an image of one layer, and returns its reference.
#[track_caller]
fn publish(registry: &Registry, name: &str, seed: u64) -> String {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    let image = Image::new("linux/amd64").layer(layer(seed, 3000));
    image::write_layout(&folder, &[image]);
    registry.push(&folder, name);
    format!("{}/{name}", registry.host())
}

/// Asserts that a repository has a converted image under a tag, and returns its digest.
#[track_caller]
fn digest_of(registry: &Registry, repository: &str, tag: &str) -> String {
    let converted = registry.manifest(repository, tag);
    assert_eq!(converted.status, 200, "{repository}:{tag}");
    let text = String::from_utf8_lossy(&converted.body).into_owned();
    assert!(text.contains(crate::read_back::SOCI_V2), "{text}");
    let digest = converted.header("docker-content-digest");
    digest.expect("a digest").to_owned()
}
