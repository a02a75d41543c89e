//! How much crosses the network, and over how many connections.

use std::time::Instant;

use soci_testkit::{
    faulty::{Fault, Faulty},
    image::{Layer, noise},
};

use crate::{fetching::Fixture, only_document, ztoc_of, ztoc_without_faults};

const MIB: usize = 1 << 20;

/// Returns a layer of about so many bytes, which takes little time to make.
fn large_layer(length: usize) -> Layer {
    let content = noise(9, MIB).repeat(length / MIB);
    Layer::stored(&[("srv/data", &content)])
}

/// A cut every 64 MiB costs no additional traffic.
#[test]
fn sends_no_byte_twice_with_a_cut_every_64_mib() {
    let fixture = Fixture::with_layer(Faulty::setup(), large_layer(200 * MIB));
    let tool = fixture.fetch().env("SOCI_CONNECTIONS", "1");
    let rule = fixture.on_blob(Fault::reset_after(64 * MIB));
    fixture.registry.rule(rule);
    fixture.assert_fetched(tool.run());
    assert_eq!(fixture.offsets(), [0, 64 * MIB, 128 * MIB, 192 * MIB]);
    let (sent, size) = (fixture.bytes_sent(), fixture.size);
    assert!(sent * 100 <= size * 102, "{sent} bytes for {size}");
}

/// Several connections read ranges of one layer when the network limits each connection.
#[test]
fn reads_ranges_over_several_connections() {
    /// The bytes of one range.
    const RANGE: usize = 4 * MIB;
    let setup = Faulty::setup().bytes_per_second_per_connection(8 * MIB);
    let fixture = Fixture::with_layer(setup, large_layer(24 * MIB));
    let expected = ztoc_without_faults(&fixture);
    let mut seconds = Vec::new();
    for connections in ["1", "4"] {
        let before = fixture.requests().len();
        let tool = fixture.fetch().arg("--force");
        let started = Instant::now();
        let finished = tool.env("SOCI_CONNECTIONS", connections).run();
        seconds.push(started.elapsed().as_secs_f64());
        assert_eq!(ztoc_of(&only_document(&finished)), expected);
        let requests = fixture.requests().split_off(before);
        if connections == "1" {
            assert_eq!(requests.len(), 1);
            continue;
        }
        let ranges = requests.iter().filter_map(|entry| entry.request.range());
        let mut starts: Vec<usize> = ranges.map(|(first, _)| first).collect();
        starts.sort_unstable();
        let every: Vec<usize> = (0..fixture.size).step_by(RANGE).collect();
        assert_eq!(starts, every);
        let sent: usize = requests.iter().map(|entry| entry.sent).sum();
        assert_eq!(sent, fixture.size);
        let mut used: Vec<usize> = requests.iter().map(|entry| entry.connection).collect();
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
