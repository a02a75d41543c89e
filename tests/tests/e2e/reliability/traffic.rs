//! What crosses the network: no more than it must, and over as many connections as it may.

use std::time::Instant;

use soci_testkit::{
    faulty::{Fault, Faulty},
    image::{Layer, noise},
};

use super::fixture::{Fixture, ztoc};
use crate::stages::one;

const MIB: usize = 1 << 20;

/// A layer of about so many bytes, which takes no time to make.
fn large(length: usize) -> Layer {
    let piece = noise(9, MIB);
    let content = piece.repeat(length / MIB);
    Layer::stored(&[("srv/data", &content)])
}

#[test]
fn a_cut_every_64_mib_costs_no_traffic() {
    let fixture = Fixture::with_layer(Faulty::setup(), large(200 * MIB));
    let rule = fixture.on_blob(Fault::reset_after(64 * MIB));
    fixture.fetched(fixture.fetch_under("soci-index", [rule]));
    assert_eq!(fixture.offsets(), [0, 64 * MIB, 128 * MIB, 192 * MIB]);
    let (sent, size) = (fixture.sent(), fixture.size);
    assert!(sent * 100 <= size * 102, "{sent} bytes for {size}");
}

#[test]
fn a_network_that_limits_each_connection_is_filled_by_several() {
    // Bytes of one range.
    const RANGE: usize = 4 * MIB;
    let setup = Faulty::setup().bytes_per_second_per_connection(8 * MIB);
    let fixture = Fixture::with_layer(setup, large(24 * MIB));
    let expected = fixture.ztoc_without_faults();
    let mut seconds = Vec::new();
    for connections in ["1", "4"] {
        let before = fixture.asked().len();
        let tool = fixture.fetch("soci-index").arg("--force");
        let started = Instant::now();
        let ended = tool.env("SOCI_CONNECTIONS", connections).run();
        seconds.push(started.elapsed().as_secs_f64());
        assert_eq!(ztoc(&one(ended.succeeds().documents())), expected);
        let asked = fixture.asked().split_off(before);
        if connections == "1" {
            assert_eq!(asked.len(), 1);
            continue;
        }
        let mut ranges: Vec<(usize, Option<usize>)> = asked
            .iter()
            .filter_map(|entry| entry.request.range())
            .collect();
        ranges.sort_unstable();
        let starts: Vec<usize> = ranges.iter().map(|(first, _)| *first).collect();
        let every: Vec<usize> = (0..fixture.size).step_by(RANGE).collect();
        assert_eq!(starts, every);
        let sent: usize = asked.iter().map(|entry| entry.sent).sum();
        assert_eq!(sent, fixture.size);
        let mut used: Vec<usize> = asked.iter().map(|entry| entry.connection).collect();
        used.sort_unstable();
        used.dedup();
        assert!(used.len() >= 4, "connections {used:?}");
    }
    let ratio = seconds[0] / seconds[1];
    println!(
        "1 connection: {:.2} s, 4 connections: {:.2} s, {ratio:.1} times as fast",
        seconds[0], seconds[1]
    );
}
