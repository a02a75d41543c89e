//! Layers that have the right digest, but are not what their media type says. Each is skipped with
//! a reason and a warning, and the other layers are indexed.

use serde_json::{Value, json};
use soci_testkit::{
    document::remove_reuse,
    faulty::Faulty,
    golden,
    image::{self, Image, Layer, noise, random_layer},
    process::{Finished, Sandbox, Tool},
    store::{assert_sound, blob_file, cached_ztocs},
};

use crate::{app, only_document, planned, soci_tool};

/// A layer, and why it is skipped.
struct Odd {
    layer: Layer,
    reason: &'static str,
    /// What the warning tells of the layer.
    cause: &'static str,
}

const fn odd(layer: Layer, reason: &'static str, cause: &'static str) -> Odd {
    Odd {
        layer,
        reason,
        cause,
    }
}

/// A gzip layer, to be changed.
fn gzip() -> Layer {
    random_layer(9, 30_000)
}

fn mislabelled_layers() -> Vec<Odd> {
    let reason = "mislabelled";
    let files: &[(&str, &[u8])] = &[("etc/name", b"content")];
    let signature = |bytes: &[u8]| Layer::from_bytes([bytes, &noise(1, 5000)].concat());
    vec![
        odd(Layer::plain(files).labelled_gzip(), reason, "a plain tar"),
        odd(Layer::zstd(files).labelled_gzip(), reason, "zstd"),
        odd(Layer::zstd(files).labelled_tar(), reason, "zstd"),
        odd(gzip().labelled_tar(), reason, "gzip"),
        odd(signature(b"\xfd7zXZ\0"), reason, "xz"),
        odd(signature(b"BZh9").labelled_tar(), reason, "bzip2"),
        odd(signature(b"\x04\x22\x4d\x18"), reason, "LZ4"),
        odd(Layer::from_bytes([0; 10_240]), reason, "a plain tar"),
    ]
}

fn layers_with_trailing_data() -> Vec<Odd> {
    let after = |bytes: Vec<u8>| gzip().with_bytes(|layer| layer.extend(bytes));
    let reason = "trailing-data";
    vec![
        odd(after(vec![0; 10_000]), reason, "the first is 0x00"),
        odd(after(vec![0]), reason, "the first is 0x00"),
        odd(after(b"\n".to_vec()), reason, "the first is 0x0a"),
        odd(after(noise(3, 700)), reason, "other bytes follow"),
    ]
}

fn unreadable_layers() -> Vec<Odd> {
    let cut = |from_end: usize| gzip().with_bytes(|layer| layer.truncate(layer.len() - from_end));
    let reason = "unreadable";
    let ends = "file ends within a gzip member";
    let half_member = gzip().with_bytes(|layer| layer.extend_from_within(..1000));
    let wrong_checksum = gzip().with_bytes(|layer| {
        let at = layer.len() - 8;
        layer[at] ^= 1;
    });
    let wrong_block = gzip().with_bytes(|layer| layer[10] = 0xff);
    let files: &[(&str, &[u8])] = &[("app", &[7; 3000])];
    let cut_tar = Layer::plain(files).with_bytes(|layer| layer.truncate(2000));
    let wrong_header = Layer::plain(files).with_bytes(|layer| layer[0] ^= 1);
    let text = Layer::from_bytes(b"{\"errors\":[]}");
    let later_limit = golden::layer("tar-pax-too-big").layer;
    vec![
        odd(cut(15_000), reason, ends),
        odd(cut(4), reason, ends),
        odd(half_member, reason, ends),
        odd(wrong_checksum, reason, "incorrect data check"),
        odd(wrong_block, reason, "invalid block type"),
        odd(cut_tar, reason, "tar ends"),
        odd(wrong_header, reason, "checksum is"),
        odd(text, reason, "not those of gzip: [7b, 22, 65,"),
        odd(Layer::from_bytes(later_limit), reason, "is longer than"),
    ]
}

fn empty_layers() -> Vec<Odd> {
    let layer = Layer::from_bytes([]);
    vec![odd(layer, "empty", "0 bytes")]
}

/// An image with two good layers and an odd one between them, in a layout and a plan.
struct Planned {
    sandbox: Sandbox,
    line: Vec<u8>,
}

impl Planned {
    /// Returns the image. Without an odd layer it has the good ones only.
    fn with(odd: Option<&Layer>) -> Self {
        let mut image = Image::new("linux/amd64").layer(random_layer(1, 3000));
        if let Some(layer) = odd {
            image = image.layer(layer.clone());
        }
        Self::of(&image.layer(random_layer(2, 20_000)))
    }

    fn of(image: &Image) -> Self {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        image::write_layout(&layout, std::slice::from_ref(image));
        let line = planned(&sandbox, layout.as_path(), "oci:image");
        Self { sandbox, line }
    }

    fn tool(&self) -> Tool {
        soci_tool(&self.sandbox).stdin(self.line.clone())
    }

    /// Runs the tool with `--strict`, which must refuse the odd layer.
    #[track_caller]
    fn assert_refused(&self, tool: Tool, odd: &Odd) {
        let finished = tool.run().ends_with(65);
        finished.writes_only_its_failure();
        let layer = layer_digest(&self.document(), 1);
        let named = format!("layer `{layer}`: {}: ", odd.reason);
        finished
            .says("soci-index: error: oci:image: ")
            .says(&named)
            .says(odd.cause)
            .says("rebuild");
        assert_sound(&self.sandbox.store());
    }

    fn document(&self) -> Value {
        serde_json::from_slice(&self.line).expect("a document")
    }
}

fn layer_digest(document: &Value, index: usize) -> String {
    let digest = &document["manifests"][0]["layers"][index]["descriptor"]["digest"];
    digest.as_str().expect("a digest").to_owned()
}

/// Returns the digests of the ztocs, `null` for a layer without one.
fn ztocs(document: &Value) -> Vec<Value> {
    let layers = document["manifests"][0]["layers"].as_array();
    let layers = layers.expect("layers").iter();
    layers
        .map(|layer| layer["ztoc"]["digest"].clone())
        .collect()
}

/// Asserts that the odd layer is skipped with its reason and a warning, and that the others have
/// the ztocs that they have without it.
#[track_caller]
fn assert_skipped(finished: &Finished, odd: &Odd) {
    let document = only_document(finished);
    let layer = &document["manifests"][0]["layers"][1];
    assert_eq!(layer["skipped"], odd.reason, "{}: {finished:?}", odd.cause);
    assert!(layer["ztoc"].is_null(), "{layer}");
    let alone = Planned::with(None);
    let expected = ztocs(&only_document(&alone.tool().run()));
    let [first, last] = expected.as_slice() else {
        panic!("{expected:?}");
    };
    assert_eq!(ztocs(&document), [first.clone(), Value::Null, last.clone()]);
    assert!(document["manifests"][0]["index"]["v1"]["digest"].is_string());
    assert!(document["converted"]["digest"].is_string());
    // One line tells the number of layers, the reason, the layer, the cause and the cure.
    let lines = finished.stderr.lines();
    let lines = lines.filter(|line| line.starts_with("soci-index: warning: "));
    let [warning] = lines.collect::<Vec<_>>()[..] else {
        panic!("{}", finished.stderr);
    };
    let (digest, reason) = (layer_digest(&document, 1), odd.reason);
    assert!(warning.contains(": skipped 1 layer, "), "{warning}");
    for text in [&format!(": {reason}: `{digest}`: "), odd.cause, "; "] {
        assert!(warning.contains(text), "{text}: {warning}");
    }
}

/// Asserts that each of the layers is skipped, and is refused with `--strict`.
#[track_caller]
fn assert_all(cases: Vec<Odd>) {
    for odd in cases {
        let planned = Planned::with(Some(&odd.layer));
        assert_skipped(&planned.tool().run(), &odd);
        assert_eq!(cached_ztocs(&planned.sandbox), 3, "{}", odd.cause);
        assert_sound(&planned.sandbox.store());
        let strict = Planned::with(Some(&odd.layer));
        strict.assert_refused(strict.tool().arg("--strict"), &odd);
    }
}

/// L1: a layer is not what its media type says.
#[test]
fn skips_a_layer_with_another_format_than_its_media_type_names() {
    assert_all(mislabelled_layers());
}

/// L2: bytes follow the gzip stream of a layer.
#[test]
fn skips_a_layer_with_bytes_after_its_gzip_stream() {
    assert_all(layers_with_trailing_data());
}

/// L3: a layer has 0 bytes.
#[test]
fn skips_an_empty_gzip_layer() {
    assert_all(empty_layers());
}

/// L4: a layer was broken before it was pushed.
#[test]
fn skips_a_corrupt_layer_whose_digest_is_right() {
    assert_all(unreadable_layers());
}

/// Several gzip members, a tar without entries, and a plain tar of 0 bytes are sound.
#[test]
fn indexes_layers_that_only_look_odd() {
    let files: &[(&str, &[u8])] = &[("etc/name", b"content")];
    let members = gzip().with_bytes(|layer| layer.extend_from_within(..));
    let empty = Layer::plain(files).with_bytes(Vec::clear);
    let zeros = Layer::from_bytes([0; 10_240]).labelled_tar();
    for layer in [members, empty, zeros] {
        let planned = Planned::with(Some(&layer));
        let document = only_document(&planned.tool().arg("--strict").run());
        let ztocs = ztocs(&document);
        assert!(ztocs.iter().all(Value::is_string), "{ztocs:?}");
    }
}

/// L1, L2, L3, L4: the cache of the store remembers the reason, and a layer is not read again.
#[test]
fn remembers_why_a_layer_was_skipped() {
    let cases = [
        mislabelled_layers().remove(0),
        layers_with_trailing_data().remove(0),
        empty_layers().remove(0),
        unreadable_layers().remove(0),
    ];
    for odd in cases {
        let planned = Planned::with(Some(&odd.layer));
        let first = planned.tool().run();
        let digest = layer_digest(&planned.document(), 1);
        let layout = planned.sandbox.path().join("image");
        std::fs::remove_file(blob_file(&layout, &json!(digest))).expect("a layer");
        let second = planned.tool().run();
        assert_skipped(&second, &odd);
        let [mut first, mut second] = [first, second].map(|finished| only_document(&finished));
        assert_eq!(first["timing"]["index"]["reused"], 0);
        let layers = second["manifests"][0]["layers"].as_array();
        let sizes = layers.expect("layers").iter();
        let sizes = sizes.map(|layer| layer["descriptor"]["size"].as_u64());
        assert_eq!(second["timing"]["index"]["bytes"], 0);
        assert_eq!(second["timing"]["index"]["reused"].as_u64(), sizes.sum());
        assert_eq!(second["manifests"][0]["layers"][0]["reused"], "store");
        remove_reuse(&mut first);
        remove_reuse(&mut second);
        assert_eq!(first["manifests"], second["manifests"]);
        planned.assert_refused(planned.tool().arg("--strict"), &odd);
        planned.assert_refused(planned.tool().env("SOCI_STRICT", "true"), &odd);
    }
}

/// `--strict` refuses what a builder did wrong, after it has built all other ztocs, and nothing
/// else.
#[test]
fn strict_accepts_layers_that_a_ztoc_cannot_describe() {
    let global_header = Layer::from_bytes(golden::layer("tar-global-header").layer);
    let planned = Planned::with(Some(&global_header));
    let document = only_document(&planned.tool().arg("--strict").run());
    let layer = &document["manifests"][0]["layers"][1];
    assert_eq!(layer["skipped"], "unindexable-tar");
}

#[test]
fn strict_counts_the_malformed_layers_and_keeps_the_ztocs_of_the_others() {
    let image = Image::new("linux/amd64")
        .layer(random_layer(1, 3000))
        .layer(Layer::from_bytes([]))
        .layer(gzip().labelled_tar());
    let planned = Planned::of(&image);
    let finished = planned.tool().arg("--strict").run().ends_with(65);
    finished.says("mislabelled").says("(one of 2 such layers)");
    assert_eq!(cached_ztocs(&planned.sandbox), 3);
    let line = planned.tool().arg("--strict=maybe").run();
    line.ends_with(2).says("--strict");
}

/// An image with nothing to index passes through.
#[test]
fn an_image_of_odd_layers_only_has_no_index() {
    let image = Image::new("linux/amd64")
        .layer(Layer::from_bytes([]))
        .layer(gzip().labelled_tar());
    let planned = Planned::of(&image);
    let finished = planned.tool().run();
    let document = only_document(&finished);
    let entry = &document["manifests"][0];
    assert_eq!(entry["index"], Value::Null);
    assert!(entry.get("index").is_some(), "{entry}");
    assert_eq!(document["converted"], Value::Null);
    assert_eq!(entry["layers"][0]["skipped"], "empty");
    assert_eq!(entry["layers"][1]["skipped"], "mislabelled");
    finished.says("no layer has a ztoc");
}

/// L1, L3: layers that stream from a registry. The digest is compared after the scan has ended
/// early, so a layer that was changed on the way is still damage.
#[test]
fn compares_the_digest_of_a_layer_that_it_cannot_scan() {
    let tar = Layer::plain(&[("srv/data", &noise(5, 3 << 20))]).labelled_gzip();
    let image = Image::new("linux/amd64")
        .layer(random_layer(1, 3000))
        .layer(tar)
        .layer(Layer::from_bytes([]));
    let layout = Sandbox::new();
    image::write_layout(layout.path(), &[image]);
    let registry = Faulty::start();
    registry.push(layout.path(), "app:v1");
    let sandbox = Sandbox::new();
    let line = planned(&sandbox, &registry, &app(&registry));
    let document = only_document(&soci_tool(&sandbox).stdin(line.clone()).run());
    let layers = &document["manifests"][0]["layers"];
    assert!(layers[0]["ztoc"]["digest"].is_string(), "{layers}");
    assert_eq!(layers[1]["skipped"], "mislabelled");
    assert_eq!(layers[2]["skipped"], "empty");
    let digest = layer_digest(&document, 1);
    registry.corrupt(&digest, |bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    });
    let finished = soci_tool(&sandbox).arg("--force").stdin(line).run();
    let finished = finished.ends_with(65).says(&digest);
    finished.says("not the one that the manifest names");
}

/// `--explain` prints the reason of each layer, and the cause and cure of each reason.
#[test]
fn explains_what_became_of_each_layer() {
    let planned = Planned::with(Some(&gzip().labelled_tar()));
    let finished = planned.tool().arg("--explain").run().succeeds();
    let document = planned.document();
    let short = |index| layer_digest(&document, index)["sha256:".len()..][..12].to_owned();
    for (index, action) in [(0, "index"), (1, "skip: mislabelled"), (2, "index")] {
        let digest = short(index);
        let mut lines = finished.stderr.lines().map(str::trim_end);
        let line = lines.find(|line| line.contains(&digest) && line.ends_with(action));
        assert!(line.is_some(), "layer {index}: {}", finished.stderr);
    }
    let finished = finished.says("  mislabelled: the media type names another format");
    // The user asked for the table, so that --quiet leaves it.
    let quiet = planned.tool().args(["--explain", "--quiet"]).run();
    let quiet = quiet.succeeds().stderr;
    assert!(quiet.starts_with("oci:image\n"), "{quiet}");
    assert!(finished.stderr.contains(&quiet), "{}", finished.stderr);
    assert_eq!(planned.tool().arg("--quiet").run().succeeds().stderr, "");
}

/// Layers that are skipped for one reason have one line, which names the largest of them.
#[test]
fn tells_skipped_layers_once_for_each_reason() {
    let small = Layer::gzip(&[("small", b"1")]).labelled_tar();
    let large = random_layer(3, 9000).labelled_tar();
    let image = Image::new("linux/amd64").layer(small).layer(large);
    let planned = Planned::of(&image.layer(Layer::from_bytes([])));
    let finished = planned.tool().run().succeeds();
    let skipped = |line: &&str| line.contains(": skipped ");
    let lines: Vec<&str> = finished.stderr.lines().filter(skipped).collect();
    let [empty, mislabelled] = lines[..] else {
        panic!("{}", finished.stderr);
    };
    assert!(empty.contains(": skipped 1 layer, 0 B: empty: "), "{empty}");
    let large = layer_digest(&planned.document(), 1);
    let such = format!(": mislabelled: such as `{large}`: the media type is ");
    assert!(
        mislabelled.contains(": skipped 2 layers, "),
        "{mislabelled}"
    );
    assert!(mislabelled.contains(&such), "{mislabelled}");
}
