//! Symbolic links in layouts.

use std::{fs, os::unix::fs::symlink, path::Path};

use soci_testkit::{
    process::{Sandbox, Tool},
    store::{assert_sound, files_below},
};

use crate::{assert_fails, layout_and_registry, soci_tool};

/// Returns a pull of the layout `image` with its layers.
fn pull(sandbox: &Sandbox) -> Tool {
    soci_tool(sandbox).args(["--layers", "oci:image:latest"])
}

/// Moves a file or folder, and puts a link to `target` in its place.
fn replace_by_link(from: &Path, to: &Path, target: impl AsRef<Path>) {
    fs::rename(from, to).expect("a writable layout");
    symlink(target, from).expect("a writable layout");
}

/// A changed layout: its folder is passed.
type Change = fn(&Path);

/// Links that stay in the layout, as debuerreotype, Bazel, Nix and others make them.
const INSIDE: [(&str, Change); 5] = [
    ("each blob, relative", |layout| {
        for file in files_below(&layout.join("blobs/sha256")) {
            let name = file.file_name().expect("a name").to_str().expect("text");
            let moved = layout.join(format!("blobs/{name}.x"));
            replace_by_link(&file, &moved, format!("../{name}.x"));
        }
    }),
    ("each blob, absolute", |layout| {
        fs::create_dir(layout.join("cache")).expect("a folder");
        for file in files_below(&layout.join("blobs/sha256")) {
            let moved = layout.join("cache").join(file.file_name().expect("a name"));
            replace_by_link(&file, &moved, &moved);
        }
    }),
    ("index.json and oci-layout", |layout| {
        for name in ["index.json", "oci-layout"] {
            let moved = format!("real-{name}");
            replace_by_link(&layout.join(name), &layout.join(&moved), &moved);
        }
    }),
    ("the folder of the blobs", |layout| {
        let moved = layout.join("cache");
        replace_by_link(&layout.join("blobs/sha256"), &moved, "../cache");
    }),
    ("the layout", |layout| {
        let moved = layout.with_file_name("moved");
        replace_by_link(layout, &moved, "moved");
    }),
];

#[test]
fn reads_a_layout_through_links_inside_it() {
    for (name, change) in INSIDE {
        let (sandbox, _registry) = layout_and_registry();
        change(&sandbox.path().join("image"));
        let finished = pull(&sandbox).run();
        assert_eq!(finished.code(), 0, "{name}: {}", finished.stderr);
        assert_sound(&sandbox.store());
    }
}

/// Links that lead out of the layout, with the path that the message names.
const OUTSIDE: [(&str, Change); 5] = [
    ("blobs/sha256/", |layout| {
        for file in files_below(&layout.join("blobs/sha256")) {
            let moved = layout.with_file_name(file.file_name().expect("a name"));
            replace_by_link(&file, &moved, &moved);
        }
    }),
    ("`blobs/sha256`", |layout| {
        let moved = layout.with_file_name("cache");
        replace_by_link(&layout.join("blobs/sha256"), &moved, "../../cache");
    }),
    ("`blobs`", |layout| {
        let moved = layout.with_file_name("cache");
        replace_by_link(&layout.join("blobs"), &moved, &moved);
    }),
    ("`index.json`", |layout| {
        let moved = layout.with_file_name("moved.json");
        replace_by_link(&layout.join("index.json"), &moved, "../moved.json");
    }),
    ("`oci-layout`", |layout| {
        let moved = layout.with_file_name("moved-marker");
        replace_by_link(&layout.join("oci-layout"), &moved, &moved);
    }),
];

#[test]
fn refuses_a_link_out_of_the_layout_by_its_name() {
    for (link, change) in OUTSIDE {
        let (sandbox, _registry) = layout_and_registry();
        change(&sandbox.path().join("image"));
        let says = [
            link,
            "in `image` is a link to",
            "which is outside",
            "cp -RL",
        ];
        assert_fails(&sandbox, pull(&sandbox).run(), 65, &says);
    }
}

#[test]
fn names_a_link_without_target_and_a_link_to_itself() {
    let (sandbox, _registry) = layout_and_registry();
    let index = sandbox.path().join("image/index.json");
    for (target, says) in [
        ("nowhere", "does not exist"),
        ("index.json", "back to the link"),
    ] {
        fs::remove_file(&index).expect("a writable layout");
        symlink(target, &index).expect("a writable layout");
        let says = ["`index.json` in `image` is a link to", target, says];
        assert_fails(&sandbox, pull(&sandbox).run(), 65, &says);
    }
}
