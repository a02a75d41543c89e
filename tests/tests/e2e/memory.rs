//! Memory and disk stay small, however large a layer is.

use std::{fs, io::Read as _, path::Path};

use flate2::{Compression, write::GzEncoder};
use soci_testkit::{
    image::{self, Image, Layer},
    process::Sandbox,
};

use crate::stages::{blob_file, files_below, layers, noise, one, planned, stage};

const MIB: usize = 1 << 20;

/// What the process may take besides what the ztoc itself holds, in bytes.
const ALLOWANCE: u64 = 64 << 20;

/// No file may grow beyond this while the layer is indexed: far below the layer, far above its ztoc.
const LARGEST_FILE: u64 = 16 << 20;

/// Runs a command, and ends with its status; the last line of stderr is the most memory that it held, in KiB.
const WATCH: &str = "import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)";

/// Writes a layout with a layer of about 200 MB: files that do not compress beside files that do.
///
/// The lowest level makes one block of all, at which no checkpoint could stand.
fn write_image(folder: &Path) {
    let gzip = GzEncoder::new(Vec::with_capacity(220 * MIB), Compression::new(2));
    let mut tar = tar::Builder::new(gzip);
    let incompressible = noise(1, 16 * MIB);
    for round in 0..12 {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(16 * MIB as u64);
        // Of a file like another one, the window of 32 KiB sees nothing.
        let name = format!("srv/noise-{round}");
        tar.append_data(&mut header, name, incompressible.as_slice())
            .expect("a buffer");
        header.set_size(8 * MIB as u64);
        let zeros = std::io::repeat(0).take(8 * MIB as u64);
        tar.append_data(&mut header, format!("srv/zeros-{round}"), zeros)
            .expect("a buffer");
    }
    let bytes = tar
        .into_inner()
        .expect("a buffer")
        .finish()
        .expect("a buffer");
    assert!(bytes.len() > 190 * MIB, "{} bytes", bytes.len());
    image::write_layout(
        folder,
        &[Image::new("linux/amd64").layer(Layer::from_bytes(bytes))],
    );
}

#[test]
fn a_large_layer_is_neither_held_nor_copied() {
    let sandbox = Sandbox::new();
    write_image(&sandbox.path().join("image"));
    let plan = planned(&sandbox, "oci:image");
    let index = soci_testkit::process::bin("soci-index");
    let limit = format!("prlimit --fsize={LARGEST_FILE} \"$0\"");
    let watched = sandbox
        .program("python3")
        .args(["-c", WATCH, "sh", "-c", &limit]);
    let ended = watched.arg(index).stdin(plan).run().succeeds();
    let memory = ended
        .stderr
        .lines()
        .last()
        .and_then(|line| line.parse::<u64>().ok());
    let memory = memory.expect("a number of KiB") << 10;
    let document = one(ended.documents());
    let ztoc = layers(&document)[0]["ztoc"].clone();
    let size = ztoc["size"].as_u64().expect("a ztoc");
    assert!(size > MIB as u64, "{size}");
    let most = ALLOWANCE + 3 * size;
    assert!(
        memory < most,
        "{memory} bytes of memory for a ztoc of {size}"
    );
    for file in files_below(&sandbox.store()) {
        let length = fs::metadata(&file).expect("a file of the store").len();
        assert!(
            length <= size,
            "{} has {length} bytes, more than the ztoc",
            file.display()
        );
    }
    assert!(blob_file(&sandbox.store(), &ztoc["digest"]).is_file());
}

#[test]
fn no_stage_but_indexing_reads_layers() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    image::write_layout(
        &folder,
        &[Image::new("linux/amd64").layer(crate::stages::layer(1, 5000))],
    );
    let plan = planned(&sandbox, "oci:image");
    let document = one(sandbox.program("cat").stdin(plan).run().documents());
    let layer = &layers(&document)[0]["descriptor"];
    assert!(!blob_file(&sandbox.store(), &layer["digest"]).exists());
    let done = stage(&sandbox, "soci-index")
        .stdin(document.to_string())
        .run()
        .succeeds();
    assert!(
        !blob_file(&sandbox.store(), &layer["digest"]).exists(),
        "{}",
        done.stderr
    );
}
