//! Proves ztocs against their layers, each in one pass with three threads: one reads the layer, one
//! decompresses it and compares its content, one compares the digests.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use bytes::Bytes;
use soci_cli::Failure;
use soci_document::{Classify as _, Exit};
use soci_oci::{Algorithm, Descriptor, Digest, Hasher};
use soci_transport::{BlobReader, TransportError};
use soci_ztoc::PackedZtoc;
use soci_ztoc::proof::{ContentProof, DigestProof, ProofError, ProofFinding};

use crate::layer_access::LayerAccess;
use crate::place::describe;
use crate::rule::Found;
use crate::rules::proof::{LAYER_DAMAGED, rule_named};

/// How many chunks may wait between two threads: enough to even out their speeds, few enough to
/// bound memory.
const QUEUE_LENGTH: usize = 4;

/// What was found out about a ztoc by reading its layer.
#[derive(Default)]
pub(crate) struct LayerProof {
    /// What is wrong. Of each rule only so many findings are listed.
    pub(crate) findings: Vec<Found>,
    /// How many compressed bytes of the layer were read.
    pub(crate) bytes: u64,
}

/// What the threads that compare have found.
struct Compared {
    findings: Vec<ProofFinding>,
    /// The digest of the layer, by the algorithm of its descriptor.
    layer: Digest,
}

/// Why a ztoc was not proved.
enum Unproved {
    /// The layer cannot be read.
    Read(TransportError),
    /// The proof cannot be started.
    Other(Failure),
}

/// Proves a ztoc against its layer. Readers take `ztoc` for that of the layer, even if it is not.
///
/// # Errors
///
/// Returns an error if the layer cannot be read. A layer that is not what its descriptor says is a
/// finding.
pub(crate) fn prove_layer(
    access: &LayerAccess<'_>,
    layer: &Descriptor,
    ztoc: &PackedZtoc,
) -> Result<LayerProof, Failure> {
    let digest = layer.digest;
    let bar = access.progress.start_part(&digest.short(), layer.size);
    let mut proof = LayerProof::default();
    let compared = match access.open_layer(layer) {
        Err(error) => Err(Unproved::Read(error)),
        Ok(reader) => compare(reader, digest.algorithm(), ztoc, |bytes| {
            bar.advance(bytes);
            proof.bytes += bytes;
        }),
    };
    bar.finish();
    let damage = match compared {
        Ok(compared) if compared.layer == digest => {
            proof
                .findings
                .extend(describe_findings(layer, &compared.findings));
            return Ok(proof);
        }
        Ok(compared) => format!("has the digest `{}`", compared.layer),
        Err(Unproved::Read(error)) => match error.exit() {
            Exit::BadData | Exit::NotFound => describe(&error),
            _ => return Err(error.into()),
        },
        Err(Unproved::Other(failure)) => return Err(failure),
    };
    let what = format!("layer `{digest}`: {damage}");
    let found = LAYER_DAMAGED.found(what).in_layer(digest);
    proof.findings.push(found);
    Ok(proof)
}

fn describe_findings(layer: &Descriptor, findings: &[ProofFinding]) -> Vec<Found> {
    let digest = layer.digest;
    let found = findings.iter().map(|finding| {
        let what = format_args!("ztoc of layer `{digest}`: {finding}");
        rule_named(finding.rule()).found(what).in_layer(digest)
    });
    found.collect()
}

/// Reads the layer to its end, and compares it with the ztoc. `count` gets the number of bytes of
/// each chunk.
fn compare(
    reader: BlobReader,
    algorithm: Algorithm,
    ztoc: &PackedZtoc,
    count: impl FnMut(u64),
) -> Result<Compared, Unproved> {
    let unproved = |error: ProofError| Unproved::Other(Failure::new(Exit::BadData, error));
    let content = ContentProof::of_packed(ztoc).map_err(unproved)?;
    let digests = DigestProof::of_packed(ztoc).map_err(unproved)?;
    let no_thread = |error| {
        let failure = Failure::new(Exit::Io, error);
        Unproved::Other(failure.context("cannot start a thread"))
    };
    thread::scope(|scope| {
        let (to_content, content_chunks) = sync_channel(QUEUE_LENGTH);
        let (to_digests, digest_chunks) = sync_channel(QUEUE_LENGTH);
        let compare_content = move || compare_content(content, &content_chunks);
        let compare_digests = move || compare_digests(digests, &digest_chunks, algorithm);
        let content = thread::Builder::new().spawn_scoped(scope, compare_content);
        let content = content.map_err(no_thread)?;
        let digests = thread::Builder::new().spawn_scoped(scope, compare_digests);
        let digests = digests.map_err(no_thread)?;
        // This thread reads, since it mostly waits for the network.
        let threads = [to_content, to_digests];
        let read = read_chunks(reader, &threads, count);
        drop(threads);
        let mut findings = join(content);
        let (of_digests, layer) = join(digests);
        findings.extend(of_digests);
        read.map_err(Unproved::Read)?;
        Ok(Compared { findings, layer })
    })
}

/// Sends the chunks of the layer to all threads.
fn read_chunks(
    mut reader: BlobReader,
    threads: &[SyncSender<Bytes>],
    mut count: impl FnMut(u64),
) -> Result<(), TransportError> {
    while let Some(chunk) = reader.next_chunk()? {
        count(chunk.len() as u64);
        for thread in threads {
            // A thread ends early only if it panics, which `join` passes on.
            let _is_closed = thread.send(chunk.clone()).is_err();
        }
    }
    Ok(())
}

fn compare_content(mut proof: ContentProof<'_>, chunks: &Receiver<Bytes>) -> Vec<ProofFinding> {
    let mut findings = Vec::new();
    for chunk in chunks {
        proof.feed(&chunk, |finding| findings.push(finding));
    }
    proof.finish(|finding| findings.push(finding));
    findings
}

fn compare_digests(
    mut proof: DigestProof<'_>,
    chunks: &Receiver<Bytes>,
    algorithm: Algorithm,
) -> (Vec<ProofFinding>, Digest) {
    let mut other = (algorithm != Algorithm::Sha256).then(|| Hasher::new(algorithm));
    for chunk in chunks {
        proof.feed(&chunk);
        if let Some(other) = &mut other {
            other.update(&chunk);
        }
    }
    let mut findings = Vec::new();
    let layer = proof.finish(|finding| findings.push(finding));
    let sha256 = Digest::from_bytes(layer.sha256);
    (findings, other.map_or(sha256, Hasher::finish))
}

/// Waits for a thread. A panic of the thread goes on in this one.
fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    let outcome = thread.join();
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
