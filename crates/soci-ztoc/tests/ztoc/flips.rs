//! One flipped bit of a ztoc or of a layer is found by the proof, or is shown to do no harm: all
//! that is read through the ztoc is the same.

use std::io::Write as _;

use flate2::write::GzEncoder;
use soci_testkit::golden;
use soci_testkit::image::noise;
use soci_ztoc::extract::LayerReader;
use soci_ztoc::proof::{ProofFinding, Severity, prove};
use soci_ztoc::{Compression, Ztoc, build};

use crate::support::{TOOL, compression};

/// How many bits of the large ztoc and layer are flipped, each in turn.
const SAMPLES: usize = 10_000;

/// How many bits of the ztoc of tens of MiB, and of its layer, are flipped if `SOCI_FLIPS` does not
/// say.
const LARGE_SAMPLES: usize = 100;

/// How many files the layer with this ztoc has.
const LARGE_FILES: usize = 300;

/// A layer, its ztoc, and all that readers read through the ztoc.
struct Subject {
    layer: Vec<u8>,
    digest: [u8; 32],
    encoded: Vec<u8>,
    ztoc: Ztoc,
    reads: Vec<Vec<u8>>,
}

/// How flips ended.
#[derive(Debug, Default)]
struct Outcomes {
    undecodable: usize,
    found: usize,
    harmless: usize,
}

impl Subject {
    fn new(name: &str, span_size: u64) -> Self {
        let case = golden::layer(name);
        let compression = compression(&case).expect("a layer");
        let ztoc = build(case.layer, compression, span_size, TOOL).expect("a sound layer");
        Self::of(ztoc, case.layer.to_vec())
    }

    /// Returns a layer that is made here, with a ztoc of tens of MiB: the layer is small, so that
    /// thousands of proofs are fast, but has a checkpoint for each 8 KiB of its tar.
    fn large() -> Self {
        let layer = large_layer();
        let ztoc = build(&layer, Compression::Gzip, 0, TOOL).expect("a sound layer");
        Self::of(ztoc, layer)
    }

    fn of(ztoc: Ztoc, layer: Vec<u8>) -> Self {
        let mut findings = 0;
        let proven = prove(&ztoc, &layer, |_| findings += 1).expect("a sound ztoc");
        assert_eq!(findings, 0);
        Self {
            digest: proven.layer.sha256,
            encoded: ztoc.encode().expect("a small ztoc"),
            reads: reads(&ztoc, &layer),
            layer,
            ztoc,
        }
    }

    /// Flips a bit of the ztoc.
    fn flip_ztoc(&self, bit: usize, outcomes: &mut Outcomes) {
        let mut bytes = self.encoded.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(ztoc) = Ztoc::decode(&bytes) else {
            outcomes.undecodable += 1;
            return;
        };
        let is_harmful = |finding: &ProofFinding| finding.severity() > Severity::Note;
        let mut is_found = false;
        prove(&ztoc, &self.layer, |finding| {
            is_found |= is_harmful(&finding);
        })
        .expect("decoded");
        if is_found {
            outcomes.found += 1;
            return;
        }
        outcomes.harmless += 1;
        let reads = reads(&ztoc, &self.layer);
        assert_eq!(reads.len(), self.reads.len(), "bit {bit} of the ztoc");
        for (found, expected) in reads.iter().zip(&self.reads) {
            // A ztoc may count less or more of what follows the last file.
            let length = found.len().min(expected.len());
            assert!(
                found[..length] == expected[..length],
                "bit {bit} of the ztoc"
            );
        }
        for (entry, original) in ztoc.toc.iter().zip(&self.ztoc.toc) {
            let what = (
                &entry.name,
                entry.entry_type,
                entry.mode,
                entry.uid,
                entry.gid,
            );
            let expected = &original;
            let expected = (
                &expected.name,
                expected.entry_type,
                expected.mode,
                expected.uid,
                expected.gid,
            );
            assert_eq!(what, expected, "bit {bit} of the ztoc");
        }
    }

    /// Flips a bit of the layer.
    fn flip_layer(&self, bit: usize, outcomes: &mut Outcomes) {
        let mut layer = self.layer.clone();
        layer[bit / 8] ^= 1 << (bit % 8);
        let mut is_found = false;
        let proven = prove(&self.ztoc, &layer, |finding| {
            is_found |= finding.severity() > Severity::Note;
        });
        let proven = proven.expect("a sound ztoc");
        // The manifest names the digest of the layer, and the check compares it.
        assert_ne!(proven.layer.sha256, self.digest, "bit {bit} of the layer");
        outcomes.found += 1;
        // The header of the first gzip member is in no span; all other bytes are.
        let first = self.ztoc.spans().expect("sound")[0].compressed_start;
        assert!(
            is_found || ((bit / 8) as u64) < first,
            "bit {bit} of the layer"
        );
    }
}

/// Returns what is read through a ztoc: all spans.
fn reads(ztoc: &Ztoc, layer: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = LayerReader::new(ztoc, layer).expect("consistent spans");
    let count = reader.spans().len();
    let spans = (0..count).map(|span| reader.read_span(span).expect("a span").to_vec());
    let mut reads: Vec<Vec<u8>> = spans.collect();
    let entries = (0..ztoc.toc.len()).map(|entry| reader.read_entry(entry).expect("an entry"));
    reads.extend(entries);
    reads
}

/// Calls `flip` for all bits, on two threads.
fn for_bits(bits: &[usize], flip: impl Fn(usize, &mut Outcomes) + Sync) -> Outcomes {
    let half = bits.len().div_ceil(2);
    let flip_all = |bits: &[usize]| {
        let mut outcomes = Outcomes::default();
        for &bit in bits {
            flip(bit, &mut outcomes);
        }
        outcomes
    };
    std::thread::scope(|scope| {
        let halves: Vec<_> = bits
            .chunks(half)
            .map(|bits| scope.spawn(move || flip_all(bits)))
            .collect();
        let mut total = Outcomes::default();
        for half in halves {
            let Outcomes {
                undecodable,
                found,
                harmless,
            } = half.join().expect("no panic");
            total.undecodable += undecodable;
            total.found += found;
            total.harmless += harmless;
        }
        total
    })
}

/// Returns how many bits of the ztoc of tens of MiB, and of its layer, are flipped.
fn large_samples() -> usize {
    let samples = std::env::var_os("SOCI_FLIPS");
    let samples = samples.map(|samples| samples.into_string().expect("text"));
    samples.map_or(LARGE_SAMPLES, |samples| samples.parse().expect("a number"))
}

/// Returns a gzip layer of files whose contents compress to about two thirds, and refer to what is
/// up to 32 KiB before them. A deflate block ends after each 8 KiB.
fn large_layer() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let noise = noise(1, 48 << 10);
    for number in 0..LARGE_FILES {
        // A third of each file is in the file before, too.
        let start = number * 1009 % (16 << 10);
        let content = [&noise[start..start + (20 << 10)], &noise[..start / 2]].concat();
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        let name = format!("srv/directory-{}/file-{number}", number / 100);
        tar.append_data(&mut header, name, content.as_slice())
            .expect("a buffer");
    }
    let tar = tar.into_inner().expect("a buffer");
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for chunk in tar.chunks(8 << 10) {
        gzip.write_all(chunk).expect("a buffer");
        gzip.flush().expect("a buffer");
    }
    gzip.finish().expect("a buffer")
}

/// Returns bits at pseudo-random positions of `bytes` bytes.
fn random_bits(bytes: usize, count: usize) -> Vec<usize> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        // Knuth's MMIX generator.
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % (bytes * 8)
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[test]
fn each_flipped_bit_of_a_small_ztoc_is_found_or_harmless() {
    let subject = Subject::new("tar-plain", 4 << 20);
    let bits: Vec<usize> = (0..subject.encoded.len() * 8).collect();
    let outcomes = for_bits(&bits, |bit, outcomes| subject.flip_ztoc(bit, outcomes));
    assert!(outcomes.found > outcomes.harmless, "{outcomes:?}");
}

#[test]
fn each_flipped_bit_of_a_small_gzip_ztoc_is_found_or_harmless() {
    let subject = Subject::new("tar-symlinks", 4 << 20);
    // The first window is not used at all, so that of its bits only some are flipped.
    let window = 32 * 1024 * 8;
    let bits = subject.encoded.len() * 8;
    let start = subject
        .encoded
        .windows(4096)
        .position(|bytes| bytes.iter().all(|&byte| byte == 0));
    let start = start.expect("a window of zeros") * 8;
    let is_sampled =
        |bit: &usize| !(start..start + window).contains(bit) || bit.is_multiple_of(251);
    let bits: Vec<usize> = (0..bits).filter(is_sampled).collect();
    let outcomes = for_bits(&bits, |bit, outcomes| subject.flip_ztoc(bit, outcomes));
    assert!(outcomes.found > outcomes.harmless, "{outcomes:?}");
}

#[test]
fn random_flipped_bits_of_a_large_ztoc_are_found_or_harmless() {
    let subject = Subject::new("all-bit-offsets", 0);
    assert!(subject.encoded.len() > 200_000, "{}", subject.encoded.len());
    let bits = random_bits(subject.encoded.len(), SAMPLES);
    let outcomes = for_bits(&bits, |bit, outcomes| subject.flip_ztoc(bit, outcomes));
    // Most bits are in windows, of which a span uses only a part.
    assert!(outcomes.found > 0, "{outcomes:?}");
}

#[test]
fn each_flipped_bit_of_a_small_layer_is_found() {
    let subject = Subject::new("tar-symlinks", 4 << 20);
    let bits: Vec<usize> = (0..subject.layer.len() * 8).collect();
    let outcomes = for_bits(&bits, |bit, outcomes| subject.flip_layer(bit, outcomes));
    assert_eq!(outcomes.found, subject.layer.len() * 8);
}

#[test]
fn random_flipped_bits_of_a_large_layer_are_found() {
    let subject = Subject::new("gzip-9", 16 << 10);
    let bits = random_bits(subject.layer.len(), SAMPLES);
    let outcomes = for_bits(&bits, |bit, outcomes| subject.flip_layer(bit, outcomes));
    assert_eq!(outcomes.found, SAMPLES);
}

/// Bits of a ztoc of tens of MiB, and of its layer. `make flips` flips 10,000 of each, and prints
/// how they ended.
#[test]
fn random_flipped_bits_of_a_ztoc_of_many_mib_are_found_or_harmless() {
    let subject = Subject::large();
    let (ztoc, layer) = (subject.encoded.len(), subject.layer.len());
    assert!(ztoc > 20 << 20, "{ztoc}");
    let bits = random_bits(ztoc, large_samples());
    let outcomes = for_bits(&bits, |bit, outcomes| subject.flip_ztoc(bit, outcomes));
    println!(
        "{} flips of a ztoc of {ztoc} bytes: {outcomes:?}",
        bits.len()
    );
    assert!(outcomes.found > 0, "{outcomes:?}");
    let bits = random_bits(layer, large_samples());
    let outcomes = for_bits(&bits, |bit, outcomes| subject.flip_layer(bit, outcomes));
    println!(
        "{} flips of a layer of {layer} bytes: {outcomes:?}",
        bits.len()
    );
    assert_eq!(outcomes.found, bits.len());
}
