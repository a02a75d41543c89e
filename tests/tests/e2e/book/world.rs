//! What the commands of a page run in: a registry under the names of the pages, images in it, and
//! files of earlier steps.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use soci_testkit::{
    image::{self, Image, Layer},
    process::{Finished, Sandbox},
    registry::{Registry, Setup},
    workspace,
};

use super::{
    block::{Block, Language},
    shown::shows,
};

/// The host names that the pages use.
pub(super) const HOSTS: [&str; 5] = [
    "registry.example",
    "source.example",
    "destination.example",
    "123456789012.dkr.ecr.us-east-1.amazonaws.com",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
];

/// What `$IMAGE` is in the pages.
const IMAGE: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:v1";

/// The images that the pages name.
const IMAGES: [&str; 6] = [
    "app:v1",
    "app:v2",
    "base:v1",
    "api:v1",
    "web:v1",
    "worker:v1",
];

/// The images that are in each registry, since documents are made of them.
const ALWAYS: [&str; 4] = ["app:v1", "base:v1", "api:v1", "web:v1"];

/// Runs the container's entrypoint for `docker run`, and does nothing else.
const DOCKER: &str = r#"#!/bin/sh
[ "$1" = run ] || exit 0
shift
while :; do
  case $1 in
  --rm | -i | -t | -it | --read-only | --*=*) shift ;;
  -e) export "$2"; shift 2 ;;
  -v) shift 2 ;;
  --user | --network | --tmpfs | -w) shift 2 ;;
  *) break ;;
  esac
done
shift
exec "$ENTRYPOINT" "$@"
"#;

/// Accepts `make image` and `make dist`, which other tests run.
const MAKE: &str = "#!/bin/sh\n[ \"$1\" = image ] || [ \"$1\" = dist ]\n";

/// The images that the pages name, as layouts. All have the same layer at the bottom.
pub(super) struct Images(Sandbox);

impl Images {
    pub(super) fn new() -> Self {
        let images = Self(Sandbox::new());
        let base = large_layer(0);
        for (seed, name) in (1..).zip(IMAGES) {
            let mut image = Image::new("linux/amd64").layer(base.clone());
            if name.starts_with("app:") {
                image = image.layer(large_layer(seed));
            }
            let note = format!("of {name}");
            let files: [(&str, &[u8]); 2] = [
                ("etc/os-release", b"ID=example\n"),
                ("etc/note", note.as_bytes()),
            ];
            let folder = images.folder(name);
            image::write_layout(&folder, &[image.layer(Layer::gzip(&files))]);
            let index = folder.join("index.json");
            let text = fs::read_to_string(&index).expect("our own file");
            fs::write(index, text.replace("\"latest\"", "\"v1\"")).expect("our own file");
        }
        images
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.0.path().join(name.replace(':', "-"))
    }
}

/// Returns a layer that the default `--min-layer-size` of 10 MiB does not leave out.
fn large_layer(seed: u64) -> Layer {
    let content = image::noise(seed, 11 << 20);
    Layer::stored(&[("usr/lib/library.so", &content)])
}

/// A registry, and a directory in which the commands of a page run.
pub(super) struct World {
    registry: Registry,
    sandbox: Sandbox,
}

impl World {
    /// Starts a registry with the images that the page names.
    pub(super) fn new(images: &Images, page: &str) -> Self {
        let registry = Setup::olareg().tls(&HOSTS).port(443).start();
        for name in IMAGES {
            if ALWAYS.contains(&name) || page.contains(name) {
                registry.push(&images.folder(name), name);
            }
        }
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path().join("build")).expect("a new directory");
        let layout = images.folder("app:v1");
        symlink(layout, sandbox.path().join("build/image")).expect("a new link");
        let world = Self { registry, sandbox };
        world.add_programs();
        world
    }

    /// Adds the stand-ins for programs to `bin`.
    fn add_programs(&self) {
        for (name, text) in [("docker", DOCKER), ("make", MAKE)] {
            let program = self.sandbox.write(&format!("bin/{name}"), text);
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(program, mode).expect("our own file");
        }
        let entrypoint = workspace::root().join("scripts/entrypoint.sh");
        let link = self.sandbox.path().join("bin/soci-run");
        symlink(entrypoint, link).expect("a new link");
    }

    /// Writes the documents of each stage, which the pages read.
    pub(super) fn add_documents(&self) {
        let script = "(export SOCI_STORE=other
              soci-pull registry.example/base:v1 | soci-plan | soci-index | soci-push > base.json)
            soci-pull \"$IMAGE\" > image.json
            soci-plan --reuse-from registry.example/base:v1 < image.json > plan.json
            soci-index < plan.json | tee index.json > indexed.json; soci-push < index.json > pushed.json
            printf '%s\n' registry.example/api:v1 registry.example/web:v1 > images.txt
            rm -rf other";
        self.bash(script).succeeds();
    }

    /// Runs commands as a reader would paste them.
    fn bash(&self, script: &str) -> Finished {
        let tools = workspace::bin("soci-pull");
        let tools: &Path = tools.parent().expect("a folder");
        let bin = self.sandbox.path().join("bin");
        let path = format!("PATH='{}:{}':$PATH", bin.display(), tools.display());
        let script = format!("set -euo pipefail; {path}\n{script}");
        let bash = self.sandbox.program("bash").args(["-c", &script]);
        bash.env("IMAGE", IMAGE)
            .env(
                "ENTRYPOINT",
                workspace::root().join("scripts/entrypoint.sh"),
            )
            .env("SOCI_CA_FILE", self.registry.ca_file())
            .env("SSL_CERT_FILE", self.registry.ca_file())
            .env("SOCI_PASSWORD", "canary-of-the-book")
            .env("GITHUB_STEP_SUMMARY", "summary.md")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .run()
    }

    /// Runs a block.
    ///
    /// # Errors
    ///
    /// Returns what failed: a command, or its comparison with what the page shows.
    pub(super) fn run(&self, block: &Block) -> Result<(), String> {
        if block.language == Language::Shell {
            let ended = self.bash(&block.text);
            if ended.code() != 0 {
                let said = format!("{}{}", ended.text(), ended.stderr);
                return Err(format!("status {}:\n{}\n{said}", ended.code(), block.text));
            }
            return Ok(());
        }
        for step in block.steps() {
            let ended = self.bash(&format!("{{ {}\n}} 2>&1", step.command));
            if ended.code() != 0 || !shows(&step.shown, ended.text()) {
                let said = format!("status {}, and printed:\n{}", ended.code(), ended.text());
                return Err(format!("`{}` ended with {said}", step.command));
            }
        }
        Ok(())
    }
}
