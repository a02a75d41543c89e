//! Both inflaters must see the same in any stream: the own one that scans layers, and zlib-rs, which reads ztocs back.
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

use super::deflate::{Deflate, Output, Stop, WINDOW};
use super::inflate::{self, Inflater, Pace};

/// What an inflater saw.
#[derive(Debug, Default, Eq, PartialEq)]
struct Trace {
    output: Vec<u8>,
    /// Compressed bytes, unused bits and uncompressed bytes at each boundary.
    boundaries: Vec<(u64, u8, usize)>,
    /// Whether the last block was complete, and how many bytes the stream had.
    end: Option<u64>,
}

fn by_zlib(stream: &[u8]) -> Trace {
    let mut trace = Trace::default();
    let mut inflater = Inflater::resume(0, 0, &[]).expect("memory");
    let mut consumed = 0;
    let mut room = vec![0; 3000];
    while let Ok(step) = inflater.run(&stream[consumed..], &mut room, Pace::Blocks) {
        consumed += step.consumed;
        trace.output.extend_from_slice(&room[..step.produced]);
        match step.stop {
            inflate::Stop::Boundary { unused_bits } => {
                let produced = trace.output.len();
                trace
                    .boundaries
                    .push((consumed as u64, unused_bits, produced));
            }
            inflate::Stop::StreamEnd => {
                trace.end = Some(consumed as u64);
                break;
            }
            inflate::Stop::Starved if step.consumed == 0 && step.produced == 0 => break,
            inflate::Stop::Starved => {}
        }
    }
    trace
}

/// Inflates in pieces of the given lengths, over and over, with little more room than an inflater needs.
fn by_own(stream: &[u8], lengths: &[usize]) -> Trace {
    let mut trace = Trace::default();
    let mut inflater = Deflate::new();
    let mut buffer = vec![0; WINDOW + 2000];
    let (mut at, mut history) = (WINDOW, 0);
    let mut rest = stream;
    for &length in lengths.iter().cycle() {
        let (mut piece, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        loop {
            let mut output = Output {
                buffer: &mut buffer,
                at,
                history,
            };
            let stop = inflater.run(&mut piece, &mut output);
            let from = std::mem::replace(&mut at, output.at);
            history = output.history;
            trace.output.extend_from_slice(&buffer[from..at]);
            match stop {
                Ok(Stop::Boundary) => {
                    let bits = &inflater.bits;
                    let produced = trace.output.len();
                    let boundary = (bits.consumed(), bits.unused(), produced);
                    trace.boundaries.push(boundary);
                }
                Ok(Stop::End) => {
                    trace.end = Some(inflater.bits.consumed());
                    return trace;
                }
                Ok(Stop::Full) => {
                    buffer.copy_within(at - WINDOW..at, 0);
                    at = WINDOW;
                    history = history.min(WINDOW);
                }
                Ok(Stop::Starved) => break,
                Err(_) => return trace,
            }
        }
        if rest.is_empty() {
            return trace;
        }
    }
    trace
}

fn deflate(data: &[u8], level: u32, flush_every: usize) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    for chunk in data.chunks(flush_every) {
        encoder.write_all(chunk).expect("to memory");
        encoder.flush().expect("to memory");
    }
    encoder.finish().expect("to memory")
}

/// Data with literals of uneven odds and with matches of all kinds.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let noise = vec(any::<u8>(), 0..600);
    let skewed = vec((0..6_u8, 0..40_u8).prop_map(|(a, b)| a * b), 0..3000);
    let repeated = (vec(any::<u8>(), 1..40), 1..400_usize);
    let repeated = repeated.prop_map(|(unit, times)| unit.repeat(times));
    let part = prop_oneof![noise, skewed, repeated];
    vec(part, 0..12).prop_map(|parts| {
        // The first part once more, at a distance.
        let mut data = parts.concat();
        data.extend(parts.first().cloned().unwrap_or_default());
        data
    })
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..40_usize, 1..5000_usize], 1..8)
}

/// The two traces agree: to the end where there is one, else in all blocks that are whole.
fn assert_agree(stream: &[u8], lengths: &[usize]) -> Result<(), TestCaseError> {
    let (zlib, own) = (by_zlib(stream), by_own(stream, lengths));
    prop_assert_eq!(&zlib.boundaries, &own.boundaries);
    prop_assert_eq!(zlib.end, own.end);
    let known = match (zlib.end, zlib.boundaries.last()) {
        (Some(_), _) => zlib.output.len().max(own.output.len()),
        (None, Some(&(_, _, produced))) => produced,
        (None, None) => 0,
    };
    prop_assert_eq!(zlib.output.get(..known), own.output.get(..known));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn good_streams_are_seen_alike(
        data in data(),
        level in 0..10_u32,
        flush_every in prop_oneof![1..2000_usize, Just(usize::MAX)],
        lengths in pieces(),
    ) {
        let stream = deflate(&data, level, flush_every);
        let own = by_own(&stream, &lengths);
        prop_assert_eq!(&own.output, &data);
        assert_agree(&stream, &lengths)?;
    }

    #[test]
    fn damaged_streams_are_seen_alike(
        data in data(),
        level in 0..10_u32,
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        lengths in pieces(),
    ) {
        let mut stream = deflate(&data, level, 700);
        for (at, value) in damage {
            let at = at.index(stream.len());
            stream[at] = value;
        }
        assert_agree(&stream, &lengths)?;
        stream.truncate(cut.index(stream.len()));
        assert_agree(&stream, &lengths)?;
    }

    #[test]
    fn noise_is_seen_alike(stream in vec(any::<u8>(), 0..300), lengths in pieces()) {
        assert_agree(&stream, &lengths)?;
    }
}

/// Bits, lowest first, to bytes.
fn stream_of(bits: &str) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').collect();
    let byte = |bits: &[u8]| {
        let set = bits.iter().enumerate().filter(|(_, bit)| **bit == b'1');
        set.map(|(place, _)| 1 << place).sum()
    };
    bits.chunks(8).map(byte).collect()
}

#[test]
fn odd_codes_are_judged_as_zlib_does() {
    // A last block with fixed codes (7, 8 or 9 bits from the highest, so written as they stand), then:
    let fixed = [
        ("0000000", true),                         // the end
        ("0000001 00000 0000000", false),          // a match before any output
        ("00110000 0000001 00000 0000000", true),  // a literal, repeated
        ("00110000 0000001 11110 0000000", false), // distance code 30
        ("11000110", false),                       // length code 286
    ];
    for (symbols, is_good) in fixed {
        let stream = stream_of(&format!("1 10 {symbols}"));
        let own = by_own(&stream, &[1]);
        assert_eq!(own.end.is_some(), is_good, "{symbols}");
        assert_eq!(
            own,
            by_own(&[&stream[..], &[0; 40]].concat(), &[99]),
            "{symbols}"
        );
        assert_eq!(own.end, by_zlib(&stream).end, "{symbols}");
    }
}
