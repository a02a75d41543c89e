//! `soci-check --list`, `--spans` and `--extract`: what is in ztocs, and single files through them.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use soci_testkit::{
    image::{self, Image, Layer, noise},
    process::{Finished, Sandbox},
    registry::Registry,
};
use tar::{EntryType, Header};

use crate::stages::{Stages, indexed, stage};

/// A name that would clear the screen, change direction, and is not UTF-8.
const HOSTILE_NAME: &[u8] = b"etc/\x1b[2J\xe2\x80\xae\xff";

/// One entry of a tar: its type, its name, and its content or the target of its link.
type Entry<'a> = (EntryType, &'a [u8], &'a [u8]);

/// Returns a gzip layer with these entries.
fn layer(entries: &[Entry<'_>]) -> Layer {
    let mut tar = Vec::new();
    for &(kind, name, content) in entries {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        let is_link = kind == EntryType::Symlink || kind == EntryType::Link;
        let data = if is_link { b"".as_slice() } else { content };
        if is_link {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content);
        }
        header.set_size(data.len() as u64);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(data);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&tar).expect("a buffer");
    Layer::from_bytes(encoder.finish().expect("a buffer"))
}

/// Returns an image with links of all kinds, in which an upper layer replaces and removes files.
fn image() -> Image {
    let file = EntryType::Regular;
    let base = layer(&[
        (EntryType::Directory, b"usr/", b""),
        (file, b"usr/data", &noise(1, 3_000_000)),
        (EntryType::Link, b"usr/hard", b"usr/data"),
        (EntryType::Symlink, b"bin", b"usr"),
        (EntryType::Symlink, b"usr/up", b"../etc/conf"),
        (EntryType::Symlink, b"usr/loop", b"/usr/loop"),
        (file, b"etc/conf", b"lower\n"),
        (file, b"etc/gone", b"removed\n"),
        (file, b"var/old", b"hidden\n"),
        (file, HOSTILE_NAME, b"hostile\n"),
    ]);
    let upper = layer(&[
        (file, b"./etc/conf", b"upper\n"),
        (file, b"etc/.wh.gone", b""),
        (file, b"var/.wh..wh..opq", b""),
        (file, b"var/new", b"seen\n"),
    ]);
    Image::new("linux/amd64").layer(base).layer(upper)
}

/// A registry with an indexed image.
struct Indexed {
    registry: Registry,
    sandbox: Sandbox,
}

impl Indexed {
    fn new() -> Self {
        let (registry, sandbox) = (Registry::distribution(), Sandbox::new());
        let folder = sandbox.path().join("image");
        image::write_layout(&folder, &[image()]);
        registry.push(&folder, "app:v1");
        let reference = format!("{}/app:v1", registry.host());
        let stages = Stages::of(&sandbox, &[reference]).plan(&["--span-size", "256KiB"]);
        stages.run().succeeds();
        // Ztocs and layers are read from the registry, and not from the store of the build.
        let sandbox = Sandbox::new();
        Self { registry, sandbox }
    }

    fn check(&self, arguments: &[&str]) -> Finished {
        let reference = format!("{}/app:v1-soci", self.registry.host());
        let tool = stage(&self.sandbox, "soci-check").args(arguments);
        tool.arg(reference).run()
    }

    /// Returns the content of a file.
    #[track_caller]
    fn extract(&self, path: &str) -> Vec<u8> {
        self.check(&["--extract", path]).succeeds().stdout
    }
}

#[test]
fn extracts_the_file_that_a_container_sees() {
    let image = Indexed::new();
    let data = noise(1, 3_000_000);
    for path in ["/usr/data", "usr/hard", "./bin/data", "/bin/../usr//hard"] {
        let ended = image.check(&["--extract", path]).succeeds();
        assert!(ended.stdout == data, "{path}");
        assert!(!ended.stderr.contains("have no ztoc"), "{}", ended.stderr);
    }
    assert_eq!(image.extract("/etc/conf"), b"upper\n");
    assert_eq!(image.extract("/bin/up"), b"upper\n");
    assert_eq!(image.extract("/var/new"), b"seen\n");
}

#[test]
fn a_file_that_a_container_does_not_see_is_not_found() {
    let image = Indexed::new();
    for path in [
        "/etc/gone",
        "/var/old",
        "/etc/none",
        "/etc/conf/x",
        "/etc/.wh.gone/x",
    ] {
        let ended = image.check(&["--extract", path]).ends_with(80);
        assert_eq!(ended.stdout, b"", "{path}");
        ended.says(path.trim_end_matches('/'));
    }
    let ended = image.check(&["--extract", "/usr/loop"]).ends_with(65);
    ended.says("`/usr/loop` has more than 40 symbolic links");
    let ended = image.check(&["--extract", "/usr"]).ends_with(65);
    ended.says("`/usr` is a directory");
}

#[test]
fn only_the_spans_of_the_file_are_fetched() {
    let image = Indexed::new();
    let layers = image.check(&["--list"]).succeeds().documents();
    let base = layers[0]["layer"].as_str().expect("a digest");
    let ended = image
        .check(&["-vv", "--layer", base, "--extract", "/etc/conf"])
        .succeeds();
    assert_eq!(ended.stdout, b"lower\n");
    let reads = ended.stderr.matches("reading bytes").count();
    assert_eq!(reads, 1, "{}", ended.stderr);
}

#[test]
fn lists_files_as_lines_of_json_that_act_on_no_terminal() {
    let image = Indexed::new();
    let ended = image.check(&["--list"]).succeeds();
    let text = ended.text();
    assert!(
        text.chars()
            .all(|c| c == '\n' || (!c.is_control() && c != '\u{202e}')),
        "{text}"
    );
    let files = ended.documents();
    assert_eq!(files.len(), 14);
    let named = |name: &str| {
        files
            .iter()
            .find(|file| file["name"] == name)
            .expect("a file")
    };
    let data = named("usr/data");
    assert_eq!(data["type"], "reg");
    assert_eq!(data["size"], 3_000_000);
    assert_eq!(data["mode"], "0644");
    assert_eq!(data["modTime"], "2023-11-14T22:13:20Z");
    let spans = image.check(&["--spans"]).succeeds().documents();
    let of_base = |span: &&Value| span["layer"] == data["layer"];
    let last = spans.iter().filter(of_base).count() - 1;
    assert_eq!(data["spans"][0], 0);
    assert!(data["spans"][1].as_u64() >= Some(last as u64 - 1), "{data}");
    assert!(named("usr/hard").get("spans").is_none());
    assert_eq!(named("usr/hard")["link"], "usr/data");
    let hostile = named("etc/\u{1b}[2J\u{202e}\u{fffd}");
    assert_eq!(hostile["nameBase64"], "ZXRjLxtbMkrigK7/");
}

#[test]
fn spans_are_those_of_the_layer_with_their_cost() {
    let image = Indexed::new();
    let spans = image.check(&["--spans"]).succeeds().documents();
    let number = |span: &Value, field: &str| span[field].as_u64().expect("a number");
    let base: Vec<&Value> = spans
        .iter()
        .filter(|span| span["layer"] == spans[0]["layer"])
        .collect();
    assert!(base.len() > 8, "{} spans", base.len());
    for (index, pair) in base.windows(2).enumerate() {
        assert_eq!(number(pair[0], "span"), index as u64);
        assert_eq!(pair[0]["uncompressedEnd"], pair[1]["uncompressedStart"]);
        let (start, end) = (number(pair[0], "start"), number(pair[0], "end"));
        assert_eq!(number(pair[0], "fetched"), end - start);
        // A span that begins within a byte shares it with the span before.
        let shared = end - number(pair[1], "start");
        let bits = pair[1].get("sharedBits").map(Value::as_u64);
        assert_eq!((shared, bits.is_some()), (shared.min(1), shared == 1));
        assert!(bits.is_none_or(|bits| (1..8).contains(&bits.expect("a number"))));
        assert!(number(pair[0], "inflated") >= 256 << 10);
        assert_eq!(number(pair[0], "ztocBytes"), 32_865);
        assert!(number(pair[0], "files") >= 1);
    }
    let layer = spans[0]["layer"].as_str().expect("a digest");
    for start in [
        layer,
        &layer[.."sha256:".len() + 12],
        &layer["sha256:".len()..],
    ] {
        let ended = image.check(&["--spans", "--layer", start]).succeeds();
        assert_eq!(ended.documents().len(), base.len(), "{start}");
    }
    let ended = image.check(&["--spans", "--layer", "sha256:x"]);
    ended
        .ends_with(81)
        .says("the image has no layer `sha256:x`");
}

#[test]
fn looks_inside_what_the_store_has_before_it_is_pushed() {
    let sandbox = Sandbox::new();
    image::write_layout(&sandbox.path().join("image"), &[image()]);
    let reference = format!("oci:{}", sandbox.path().join("image").display());
    let line = indexed(&sandbox, &reference);
    let extract = stage(&sandbox, "soci-check").args(["--extract", "/bin/up"]);
    let ended = extract.stdin(line).run().succeeds();
    assert_eq!(ended.stdout, b"upper\n");
}

#[test]
fn an_image_without_an_index_is_not_found() {
    let sandbox = Sandbox::new();
    image::write_layout(&sandbox.path().join("image"), &[image()]);
    let reference = format!("oci:{}", sandbox.path().join("image").display());
    let ended = stage(&sandbox, "soci-check")
        .args(["--list", &reference])
        .run();
    ended.ends_with(80).says("has no SOCI index with ztocs");
}
