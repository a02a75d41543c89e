//! Files that are named pipes, devices, or longer than they may be: as layouts and archives, in
//! stores, and as files that options name. A tool neither waits for them nor reads them whole.

use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};
use soci_testkit::{
    archive::{Member, gzip, header, layout_members, tar},
    faulty::{Faulty, registry_with_layers},
    process::{Finished, Sandbox},
    store::{blob_file, files_below},
};

use crate::registry_access::{PASSWORD, USER};
use crate::{app, assert_fails, layout_and_registry, soci_tool};

/// Makes a named pipe that no process writes to, in place of what is there.
fn make_pipe(sandbox: &Sandbox, path: &Path) {
    if path.exists() {
        fs::remove_file(path).expect("a writable sandbox");
    }
    sandbox.program("mkfifo").arg(path).run().succeeds();
}

/// Pulls an image with its layers, in little memory.
fn pull(sandbox: &Sandbox, reference: &str) -> Finished {
    let tool = soci_tool(sandbox).args(["--layers", reference]);
    tool.limit_memory().run()
}

#[test]
fn refuses_a_named_pipe_in_a_layout() {
    for file in ["oci-layout", "index.json"] {
        let (sandbox, _registry) = layout_and_registry();
        make_pipe(&sandbox, &sandbox.path().join("image").join(file));
        let says = [file, "is a named pipe, expected a regular file"];
        assert_fails(&sandbox, pull(&sandbox, "oci:image"), 65, &says);
    }
    for number in 0..4 {
        let (sandbox, _registry) = layout_and_registry();
        let blobs = files_below(&sandbox.path().join("image/blobs"));
        assert_eq!(blobs.len(), 4);
        make_pipe(&sandbox, &blobs[number]);
        let finished = pull(&sandbox, "oci:image").ends_with(65);
        finished.says("found no regular file");
    }
}

#[test]
fn does_not_read_a_file_of_a_layout_whole() {
    for file in ["oci-layout", "index.json"] {
        let (sandbox, _registry) = layout_and_registry();
        let sparse = File::create(sandbox.path().join("image").join(file)).expect("a file");
        sparse.set_len(3 << 30).expect("a sparse file");
        let finished = pull(&sandbox, "oci:image");
        assert_fails(&sandbox, finished, 65, &[file, "longer than 4 MiB"]);
    }
}

#[test]
fn refuses_an_archive_that_is_no_regular_file() {
    let sandbox = Sandbox::new();
    make_pipe(&sandbox, &sandbox.path().join("pipe"));
    fs::create_dir(sandbox.path().join("folder")).expect("a writable sandbox");
    for scheme in ["oci-archive", "docker-archive"] {
        for (path, found) in [
            ("pipe", "it is a named pipe"),
            ("folder", "it is a directory"),
            ("/dev/zero", "it is a device"),
            ("/dev/stdin", "it is a named pipe"),
        ] {
            let finished = pull(&sandbox, &format!("{scheme}:{path}"));
            assert_fails(&sandbox, finished, 65, &[path, found]);
        }
    }
}

/// Long names (`L`, `K`), PAX headers (`x`, `g`) and the maps of sparse files are read into memory
/// up to 1 MiB. A sparse file on disk is as long as the header says.
#[test]
fn refuses_an_extension_of_3_gib_in_an_archive() {
    let size = 3 << 30;
    for typeflag in *b"LKxg" {
        for scheme in ["oci-archive", "docker-archive"] {
            let sandbox = Sandbox::new();
            let path = sandbox.write("image.tar", header("././@LongLink", typeflag, size));
            let file = File::options().write(true).open(path).expect("a file");
            file.set_len(512 + size).expect("a sparse file");
            let finished = pull(&sandbox, &format!("{scheme}:image.tar"));
            let says = ["image.tar", "longer than 1048576 bytes"];
            assert_fails(&sandbox, finished, 65, &says);
        }
    }
    // The same in 300 KiB of gzip: its first 64 MiB.
    let sandbox = Sandbox::new();
    let mut bytes = header("././@LongLink", b'L', size);
    bytes.resize(64 << 20, b'x');
    sandbox.write("image.tar", gzip(&bytes));
    let finished = pull(&sandbox, "oci-archive:image.tar");
    assert_fails(&sandbox, finished, 65, &["longer than 1048576 bytes"]);
}

#[test]
fn bounds_the_number_of_members_of_an_archive() {
    let sandbox = Sandbox::new();
    let mut bytes = Vec::new();
    for number in 0..200_001 {
        bytes.extend(header(&format!("d{number}"), b'0', 0));
    }
    sandbox.write("image.tar", gzip(&bytes));
    let finished = pull(&sandbox, "oci-archive:image.tar");
    assert_fails(&sandbox, finished, 65, &["more than 200000 tar entries"]);
}

/// The list of a `docker save` archive is at most 4 MiB long, and has 1000 images and 20,000
/// layers at most.
#[test]
fn bounds_the_list_of_an_archive_of_docker() {
    let many = |entry: &str, count: usize| format!("[{}]", vec![entry; count].join(","));
    let layers = format!(
        r#"{{"Config":"c","Layers":[{}]}}"#,
        vec!["\"\""; 1_300_000].join(",")
    );
    for (list, says) in [
        (many(r#"{"Config":""}"#, 290_000), "290000 images"),
        (many(&layers, 1), "1300000 layers"),
        (" ".repeat(5 << 20), "longer than 4 MiB"),
    ] {
        let sandbox = Sandbox::new();
        let members = [Member::file("manifest.json", list)];
        sandbox.write("image.tar", tar(&members));
        let finished = pull(&sandbox, "docker-archive:image.tar");
        assert_fails(&sandbox, finished, 65, &["image.tar", says]);
    }
}

/// A manifest that `index.json` lists 4000 times beside another one is read once.
#[test]
fn reads_a_manifest_once_however_often_it_is_listed() {
    let (sandbox, _registry) = layout_and_registry();
    let layout = sandbox.path().join("image");
    let index = layout.join("index.json");
    let mut list: Value =
        serde_json::from_slice(&fs::read(&index).expect("index.json")).expect("JSON");
    let entry = list["manifests"][0].clone();
    let manifest = fs::read(blob_file(&layout, &entry["digest"])).expect("a manifest");
    let mut entries = Vec::new();
    for spaces in [1, 4 << 20] {
        let length = if spaces > 1 {
            spaces - manifest.len()
        } else {
            spaces
        };
        let bytes = [manifest.as_slice(), &vec![b' '; length]].concat();
        let digest = soci_testkit::image::digest(&bytes);
        let mut entry = entry.clone();
        entry["digest"] = digest.clone().into();
        entry["size"] = bytes.len().into();
        fs::write(blob_file(&layout, &digest.into()), bytes).expect("a writable layout");
        entries.push(entry);
    }
    let (one, large) = (entries[0].clone(), entries[1].clone());
    entries.extend(std::iter::repeat_n(large, 4000));
    entries.push(one);
    list["manifests"] = entries.into();
    fs::write(&index, list.to_string()).expect("a writable layout");
    let finished = pull(&sandbox, "oci:image");
    assert_fails(&sandbox, finished, 80, &["no single image"]);
}

/// `--ca-file` and `--authfile` may name pipes, as a shell's `<(…)` does, but not endless files.
#[test]
fn does_not_read_an_endless_file_that_an_option_names() {
    let registry = registry_with_layers(Faulty::setup().basic(USER, PASSWORD), &[3000]);
    let sandbox = Sandbox::new();
    let pull = |arguments: &[&str]| {
        let tool = soci_tool(&sandbox).args(arguments).arg(app(&registry));
        tool.limit_memory()
    };
    for (option, reference) in [("--ca-file", "registry.invalid/app"), ("--authfile", "")] {
        let mut arguments = vec![option, "/dev/zero"];
        arguments.extend(Some(reference).filter(|reference| !reference.is_empty()));
        let finished = pull(&arguments).run().ends_with(78);
        finished.says("/dev/zero").says("larger than");
    }
    let login = json!({"username": USER, "password": PASSWORD});
    let config = json!({"auths": {registry.host(): login}}).to_string();
    let pipe = pull(&["--authfile", "/dev/stdin"]).stdin(config);
    pipe.run().succeeds();
}

/// A store is a layout too.
#[test]
fn refuses_a_store_whose_marker_is_a_named_pipe() {
    let (sandbox, _registry) = layout_and_registry();
    fs::create_dir(sandbox.store()).expect("a new folder");
    make_pipe(&sandbox, &sandbox.store().join("oci-layout"));
    let finished = pull(&sandbox, "oci:image").ends_with(65);
    finished.says("named pipe").writes_only_its_failure();
}

/// The archive that the test refuses elsewhere is sound otherwise.
#[test]
fn pulls_a_sound_archive_in_little_memory() {
    let (sandbox, _registry) = layout_and_registry();
    let members = layout_members(&sandbox.path().join("image"));
    sandbox.write("image.tar", gzip(&tar(&members)));
    pull(&sandbox, "oci-archive:image.tar").succeeds();
}
