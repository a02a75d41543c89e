//! Compares the two inflaters of this crate: its own, which scans layers, and zlib-rs, which reads
//! layers back through ztocs. For any stream both must give the same output and block boundaries.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a panic is a failed test"
)]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::collection::vec;
use proptest::prelude::*;

use super::deflate::DeflateDecoder;
use super::output::{OutputBuffer, Stop, WINDOW_SIZE};
use super::zlib::{StopAt, ZlibInflater, ZlibStop};

/// What an inflater found in a stream.
#[derive(Debug, Default, Eq, PartialEq)]
struct Trace {
    output: Vec<u8>,
    boundaries: Vec<Boundary>,
    /// The length of the stream in bytes, if its last block is complete.
    end: Option<u64>,
}

/// The end of a block.
#[derive(Debug, Eq, PartialEq)]
struct Boundary {
    /// Compressed bytes consumed.
    consumed: u64,
    /// Unused bits of the last consumed byte.
    unused_bits: u8,
    /// Uncompressed bytes produced.
    produced: usize,
}

fn trace_zlib(stream: &[u8]) -> Trace {
    let mut trace = Trace::default();
    let mut inflater = ZlibInflater::resume(0, 0, &[]).expect("memory");
    let mut consumed = 0;
    let mut room = vec![0; 3000];
    while let Ok(step) = inflater.run(&stream[consumed..], &mut room, StopAt::BlockEnd) {
        consumed += step.consumed;
        trace.output.extend_from_slice(&room[..step.produced]);
        match step.stop {
            ZlibStop::BlockEnd { unused_bits } => trace.boundaries.push(Boundary {
                consumed: consumed as u64,
                unused_bits,
                produced: trace.output.len(),
            }),
            ZlibStop::StreamEnd => {
                trace.end = Some(consumed as u64);
                break;
            }
            ZlibStop::NeedsBuffer if step.consumed == 0 && step.produced == 0 => break,
            ZlibStop::NeedsBuffer => {}
        }
    }
    trace
}

/// Decodes in chunks of the given lengths, in turn, with little more room than the decoder needs.
fn trace_own(stream: &[u8], chunk_lengths: &[usize]) -> Trace {
    let mut trace = Trace::default();
    let mut decoder = DeflateDecoder::new();
    let mut buffer = vec![0; WINDOW_SIZE + 2000];
    let (mut position, mut history) = (WINDOW_SIZE, 0);
    let mut rest = stream;
    for &length in chunk_lengths.iter().cycle() {
        let (mut chunk, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        loop {
            let mut output = OutputBuffer {
                bytes: &mut buffer,
                position,
                history,
            };
            let stop = decoder.run(&mut chunk, &mut output);
            let start = std::mem::replace(&mut position, output.position);
            history = output.history;
            trace.output.extend_from_slice(&buffer[start..position]);
            match stop {
                Ok(Stop::BlockEnd) => trace.boundaries.push(Boundary {
                    consumed: decoder.bits.bytes_consumed(),
                    unused_bits: decoder.bits.unused_bits(),
                    produced: trace.output.len(),
                }),
                Ok(Stop::StreamEnd) => {
                    trace.end = Some(decoder.bits.bytes_consumed());
                    return trace;
                }
                Ok(Stop::OutputFull) => {
                    buffer.copy_within(position - WINDOW_SIZE..position, 0);
                    position = WINDOW_SIZE;
                    history = history.min(WINDOW_SIZE);
                }
                Ok(Stop::InputExhausted) => break,
                Err(_) => return trace,
            }
        }
        if rest.is_empty() {
            return trace;
        }
    }
    trace
}

fn compress(data: &[u8], level: u32, flush_every: usize) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    for chunk in data.chunks(flush_every) {
        encoder.write_all(chunk).expect("to memory");
        encoder.flush().expect("to memory");
    }
    encoder.finish().expect("to memory")
}

/// Generates data with unevenly distributed literals and with matches of all kinds.
fn any_data() -> impl Strategy<Value = Vec<u8>> {
    let noise = vec(any::<u8>(), 0..600);
    let skewed = vec((0..6_u8, 0..40_u8).prop_map(|(a, b)| a * b), 0..3000);
    let repeated = (vec(any::<u8>(), 1..40), 1..400_usize);
    let repeated = repeated.prop_map(|(unit, times)| unit.repeat(times));
    let part = prop_oneof![noise, skewed, repeated];
    vec(part, 0..12).prop_map(|parts| {
        // The first part is repeated at the end, which gives matches of long distances.
        let mut data = parts.concat();
        data.extend(parts.first().cloned().unwrap_or_default());
        data
    })
}

fn any_chunk_lengths() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..40_usize, 1..5000_usize], 1..8)
}

/// Asserts that both inflaters find the same, up to the end of the stream if it is complete, else
/// in all blocks that are complete.
fn assert_same_trace(stream: &[u8], chunk_lengths: &[usize]) -> Result<(), TestCaseError> {
    let (zlib, own) = (trace_zlib(stream), trace_own(stream, chunk_lengths));
    prop_assert_eq!(&zlib.boundaries, &own.boundaries);
    prop_assert_eq!(zlib.end, own.end);
    let known = match (zlib.end, zlib.boundaries.last()) {
        (Some(_), _) => zlib.output.len().max(own.output.len()),
        (None, Some(boundary)) => boundary.produced,
        (None, None) => 0,
    };
    prop_assert_eq!(zlib.output.get(..known), own.output.get(..known));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn valid_streams_give_the_same_trace(
        data in any_data(),
        level in 0..10_u32,
        flush_every in prop_oneof![1..2000_usize, Just(usize::MAX)],
        chunk_lengths in any_chunk_lengths(),
    ) {
        let stream = compress(&data, level, flush_every);
        let own = trace_own(&stream, &chunk_lengths);
        prop_assert_eq!(&own.output, &data);
        assert_same_trace(&stream, &chunk_lengths)?;
    }

    #[test]
    fn damaged_streams_give_the_same_trace(
        data in any_data(),
        level in 0..10_u32,
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        chunk_lengths in any_chunk_lengths(),
    ) {
        let mut stream = compress(&data, level, 700);
        for (position, value) in damage {
            let position = position.index(stream.len());
            stream[position] = value;
        }
        assert_same_trace(&stream, &chunk_lengths)?;
        stream.truncate(cut.index(stream.len()));
        assert_same_trace(&stream, &chunk_lengths)?;
    }

    #[test]
    fn random_bytes_give_the_same_trace(
        stream in vec(any::<u8>(), 0..300),
        chunk_lengths in any_chunk_lengths(),
    ) {
        assert_same_trace(&stream, &chunk_lengths)?;
    }
}

/// Packs a text of bits into bytes, the first bit lowest.
fn pack_bits(bits: &str) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').collect();
    let pack_byte = |bits: &[u8]| {
        let set = bits.iter().enumerate().filter(|(_, bit)| **bit == b'1');
        set.map(|(index, _)| 1 << index).sum()
    };
    bits.chunks(8).map(pack_byte).collect()
}

#[test]
fn invalid_symbols_are_refused_as_zlib_refuses_them() {
    // Each stream is a last block with fixed codes. Codes start with their highest bit, so they
    // are written here as RFC 1951, section 3.2.6, lists them.
    let streams = [
        ("0000000", true),                         // the end of the block
        ("0000001 00000 0000000", false),          // a match before any output
        ("00110000 0000001 00000 0000000", true),  // a literal, repeated by a match
        ("00110000 0000001 11110 0000000", false), // distance code 30
        ("11000110", false),                       // length code 286
    ];
    for (symbols, is_valid) in streams {
        let stream = pack_bits(&format!("1 10 {symbols}"));
        let own = trace_own(&stream, &[1]);
        assert_eq!(own.end.is_some(), is_valid, "{symbols}");
        let padded = [&stream[..], &[0; 40]].concat();
        assert_eq!(own, trace_own(&padded, &[99]), "{symbols}");
        assert_eq!(own.end, trace_zlib(&stream).end, "{symbols}");
    }
}
