//! The decisions in simulated networks.

use proptest::prelude::*;

use super::*;

/// A network, and the scanner behind it. Rates are in bytes per millisecond, about kB/s.
#[derive(Clone, Copy, Debug)]
struct Simulation {
    /// The limit of each connection.
    connection: u64,
    /// The limit of the client.
    client: u64,
    scanner: u64,
    readers: usize,
    /// How many processors there are. Each reader keeps one busy while it does not wait.
    processors: u32,
    /// By how many percent the rate of the network deviates at most, either way.
    noise: u64,
}

const TICK: Duration = Duration::from_millis(5);

/// What happened in a simulation.
struct Run {
    pace: Pace,
    received: u64,
    now: Duration,
    worked: Duration,
    troubles: u64,
    /// How often additional connections were opened.
    opened: usize,
    random: u32,
}

impl Run {
    fn new() -> Self {
        Self {
            pace: Pace::default(),
            received: 0,
            now: Duration::ZERO,
            worked: Duration::ZERO,
            troubles: 0,
            opened: 0,
            random: 1,
        }
    }

    /// Returns a pseudo-random number from 0 to `most`.
    fn noise(&mut self, most: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        (u64::from(self.random >> 16) * (most + 1)) >> 16
    }

    /// Downloads until `bytes` have been received.
    fn download(&mut self, network: Simulation, bytes: u64) {
        while self.received < bytes {
            while self.pace.held > self.pace.extra {
                self.pace.release();
            }
            while self.pace.acquire() {
                self.opened += 1;
            }
            let connections = (network.readers + self.pace.held) as u64;
            let arriving = network.client.min(network.connection * connections);
            let arriving = arriving * (100 - network.noise + self.noise(2 * network.noise)) / 100;
            let readers = network.readers as u64;
            let taken = arriving.min(network.scanner * readers);
            self.now += TICK;
            self.received += taken * 5;
            let busy = 5000 * taken / (network.scanner * readers);
            let waited = TICK.saturating_sub(Duration::from_micros(busy));
            let working = TICK.saturating_sub(waited) * u32::try_from(network.readers).unwrap();
            self.worked += working / network.processors;
            for _ in 0..network.readers {
                self.pace.observe(&Sample {
                    now: self.now,
                    received: self.received,
                    waited,
                    worked: self.worked,
                    readers: network.readers,
                    starting: 0,
                    troubles: self.troubles,
                });
            }
        }
    }
}

const S3: Simulation = Simulation {
    connection: 90_000,
    client: 1_000_000,
    scanner: 280_000,
    readers: 1,
    processors: 2,
    noise: 0,
};

const GIB: u64 = 1 << 30;

/// The scanner reads 280 MB/s, and a connection brings 90: two are too few.
#[test]
fn grows_until_the_reader_need_not_wait() {
    let mut run = Run::new();
    run.download(S3, 30 << 20);
    assert_eq!(run.pace.extra, 3);
    run.download(S3, GIB);
    assert_eq!(run.pace.extra, 3);
    let ideal = Duration::from_millis(GIB / 280_000);
    assert!(
        run.now < ideal.mul_f64(1.05),
        "{:?} instead of {ideal:?}",
        run.now
    );
}

/// One connection fills the link: each further trial comes after a longer pause.
#[test]
fn stays_at_one_connection_if_the_client_is_limited() {
    let network = Simulation {
        client: 90_000,
        ..S3
    };
    let mut run = Run::new();
    run.download(network, 500 << 20);
    assert_eq!((run.pace.extra, run.opened), (0, 2));
    run.download(network, 10 * GIB);
    assert_eq!((run.pace.extra, run.opened), (0, 4));
}

#[test]
fn uses_one_connection_if_the_scanner_is_the_limit() {
    let network = Simulation {
        connection: 300_000,
        ..S3
    };
    let mut run = Run::new();
    run.download(network, GIB);
    assert_eq!(run.opened, 0);
}

/// Each of two readers waits for a sixth of the time, and two processors can do no more: a registry
/// on the same machine needs a part of them.
#[test]
fn tries_no_more_connections_while_the_processors_are_busy() {
    let network = Simulation {
        connection: 233_000,
        readers: 2,
        ..S3
    };
    let mut run = Run::new();
    run.download(network, GIB);
    assert_eq!(run.opened, 0);
    let network = Simulation {
        processors: 4,
        ..network
    };
    run.download(network, 2 * GIB);
    assert_eq!(run.pace.extra, 1, "two of four processors are idle");
}

#[test]
fn readers_without_a_processor_do_not_show_that_connections_pay() {
    let trial = Trial {
        before: 0,
        rate: 300_000,
        started: Duration::ZERO,
        is_measured: true,
    };
    let is_kept = |rate, is_busy| {
        let measured = Measured {
            elapsed: REVIEW,
            bytes: 1 << 20,
            rate,
            is_waiting: false,
            is_busy,
        };
        trial.is_kept(1, 2, &measured)
    };
    assert!(is_kept(315_000, false));
    assert!(!is_kept(315_000, true));
    assert!(is_kept(360_000, true));
}

/// The client's limit lies between two and four connections.
#[test]
fn keeps_as_many_as_pay() {
    let network = Simulation {
        client: 200_000,
        ..S3
    };
    let mut run = Run::new();
    run.download(network, 100 << 20);
    assert_eq!(run.pace.extra, 1);
}

#[test]
fn several_blobs_share_the_additional_connections() {
    let network = Simulation {
        readers: 2,
        processors: 4,
        ..S3
    };
    let mut run = Run::new();
    run.download(network, GIB);
    assert_eq!(run.pace.extra, MAX_EXTRA);
}

#[test]
fn uses_fewer_connections_after_troubles() {
    let mut run = Run::new();
    run.download(S3, 100 << 20);
    run.troubles += 1;
    run.download(S3, 101 << 20);
    assert_eq!(run.pace.extra, 1);
    run.troubles += 1;
    run.download(S3, 102 << 20);
    assert_eq!(run.pace.extra, 0);
    run.download(S3, 200 << 20);
    assert_eq!(run.pace.extra, 0, "no trial in the pause");
    run.download(S3, 4 * GIB);
    assert_eq!(run.pace.extra, 3);
}

#[test]
fn never_tries_again_where_ranges_are_ignored() {
    let mut run = Run::new();
    run.download(S3, 30 << 20);
    run.pace.stop();
    let opened = run.opened;
    run.download(S3, 4 * GIB);
    assert_eq!((run.pace.extra, run.opened), (0, opened));
}

/// A rate of 50 to 150 % of its mean misleads a measurement of 50 ms now and then. The review after
/// half a second finds that out.
#[test]
fn noise_does_not_keep_connections_that_do_not_pay() {
    let network = Simulation {
        client: 90_000,
        noise: 50,
        ..S3
    };
    let mut misled = 0;
    for seed in 1..50 {
        let mut run = Run::new();
        run.random = seed;
        run.download(network, GIB);
        misled += usize::from(run.pace.extra > 0);
    }
    assert!(misled <= 2, "{misled} of 49 downloads");
}

#[test]
fn noise_does_not_hide_that_connections_pay() {
    let network = Simulation { noise: 50, ..S3 };
    for seed in 1..50 {
        let mut run = Run::new();
        run.random = seed;
        run.download(network, GIB);
        assert!(run.pace.extra >= 3, "{} with seed {seed}", run.pace.extra);
    }
}

proptest! {
    /// No order of samples makes the number of connections exceed its bound, or panics.
    #[test]
    fn any_samples_are_survived(samples in proptest::collection::vec(
        (any::<[u32; 3]>(), any::<u64>(), 0..20_usize, 0..20_usize, 0..3_u64, 0..4_u8), 0..200))
    {
        let mut pace = Pace::default();
        for ([now, waited, worked], received, readers, starting, troubles, action) in samples {
            pace.observe(&Sample {
                now: Duration::from_micros(now.into()),
                received,
                waited: Duration::from_micros(waited.into()),
                worked: Duration::from_micros(worked.into()),
                readers,
                starting,
                troubles,
            });
            match action {
                0 => { pace.acquire(); }
                1 => pace.release(),
                _ => {}
            }
            prop_assert!(pace.extra <= MAX_EXTRA && pace.held <= MAX_EXTRA);
        }
    }
}
