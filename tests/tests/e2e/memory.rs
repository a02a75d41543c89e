//! The memory and the disk space that a large layer takes.

use std::{fs, io::Read as _};

use flate2::{Compression, write::GzEncoder};
use soci_testkit::{
    image::{self, Image, Layer},
    process::Sandbox,
};

use crate::stages::{blob_file, files_below, layers, noise, only_document, planned, stage};

const MIB: usize = 1 << 20;

/// The memory in bytes that a process may use beside its ztocs. Those may take 1.3 times their
/// size.
const ALLOWANCE: u64 = 48 << 20;

/// The largest file in bytes while a layer is indexed: far smaller than the layer, far larger than
/// its ztoc.
const LARGEST_FILE: u64 = 16 << 20;

/// Runs a command and exits with its status. The last line of stderr is the most memory that it
/// used, in KiB.
const WATCH: &str = "import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)";

/// Makes a layer of files that compress and files that do not, about 16 MB for each of `rounds`.
///
/// The lowest level of compression makes a single block, which has no room for a checkpoint.
fn large_layer(seed: u64, rounds: usize) -> Layer {
    let gzip = GzEncoder::new(Vec::with_capacity(17 * rounds * MIB), Compression::new(2));
    let mut tar = tar::Builder::new(gzip);
    let incompressible = noise(seed, 16 * MIB);
    for round in 0..rounds {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(16 * MIB as u64);
        // Equal files are farther apart than the window of 32 KiB.
        let name = format!("srv/noise-{round}");
        tar.append_data(&mut header, name, incompressible.as_slice())
            .expect("a buffer");
        header.set_size(8 * MIB as u64);
        let zeros = std::io::repeat(0).take(8 * MIB as u64);
        tar.append_data(&mut header, format!("srv/zeros-{round}"), zeros)
            .expect("a buffer");
    }
    let gzip = tar.into_inner().expect("a buffer");
    let bytes = gzip.finish().expect("a buffer");
    assert!(bytes.len() > 15 * rounds * MIB, "{} bytes", bytes.len());
    Layer::from_bytes(bytes)
}

/// Indexes an image of these layers with so many jobs, and checks the memory and the files.
fn assert_small(made: Vec<Layer>, jobs: &str) {
    let sandbox = Sandbox::new();
    let image = made
        .into_iter()
        .fold(Image::new("linux/amd64"), Image::layer);
    image::write_layout(&sandbox.path().join("image"), &[image]);
    let plan = planned(&sandbox, "oci:image");
    let index = soci_testkit::workspace::bin("soci-index");
    let limit = format!("prlimit --fsize={LARGEST_FILE} \"$0\" --jobs {jobs}");
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
    let document = only_document(ended.documents());
    let layers = layers(&document);
    let ztocs: Vec<_> = layers.iter().map(|layer| &layer["ztoc"]).collect();
    let sizes = ztocs.iter().map(|ztoc| ztoc["size"].as_u64());
    let sizes: Vec<u64> = sizes.map(|size| size.expect("a ztoc")).collect();
    let all: u64 = sizes.iter().sum();
    assert!(all > MIB as u64, "{all}");
    let most = ALLOWANCE + all * 13 / 10;
    assert!(
        memory < most,
        "{memory} bytes of memory for ztocs of {all}, more than {most}"
    );
    let largest = sizes.into_iter().max().expect("a ztoc");
    for file in files_below(&sandbox.store()) {
        let length = fs::metadata(&file).expect("a file of the store").len();
        assert!(
            length <= largest,
            "{} has {length} bytes, more than the ztoc",
            file.display()
        );
    }
    for ztoc in ztocs {
        assert!(blob_file(&sandbox.store(), &ztoc["digest"]).is_file());
    }
}

/// F11: a large layer is held neither in memory nor on disk.
#[test]
fn a_large_layer_is_not_held_in_memory_or_on_disk() {
    assert_small(vec![large_layer(1, 12)], "1");
}

#[test]
fn many_jobs_share_one_memory_limit() {
    assert_small((1..7).map(|seed| large_layer(seed, 2)).collect(), "8");
}

#[test]
fn only_soci_index_reads_layers() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    image::write_layout(
        &folder,
        &[Image::new("linux/amd64").layer(crate::stages::layer(1, 5000))],
    );
    let plan = planned(&sandbox, "oci:image");
    let document = only_document(sandbox.program("cat").stdin(plan).run().documents());
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
