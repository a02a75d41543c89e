//! The faults of one pipeline of the soak test, and how the pipeline must end.

use std::time::Duration;

use fastrand::Rng;
use soci_testkit::faulty::{Fault, Faulty, Habit, Rule, Setup};

pub(super) const USER: &str = "user";
pub(super) const PASSWORD: &str = "canary-password";

/// How a pipeline must end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// The image is indexed.
    Indexed,
    /// A stage fails with this status.
    Status(i32),
}

/// A registry that is not started yet, and its faults.
pub(super) struct Trouble {
    pub(super) setup: Setup,
    pub(super) rules: Vec<Rule>,
    /// The names of the rules, for messages.
    pub(super) names: Vec<&'static str>,
    pub(super) end: End,
}

/// A transient fault: its name, the requests that it befalls, the most times that it occurs, and
/// what happens.
type Passing = (
    &'static str,
    &'static str,
    &'static str,
    usize,
    fn(&mut Rng) -> Fault,
);

const MANIFESTS: &str = "*/manifests/*";
const BLOBS: &str = "*/blobs/sha256:*";
const UPLOADS: &str = "*/blobs/uploads/*";
const LONG: Duration = Duration::from_mins(1);

/// Transient faults, which the tools retry. How often each may occur follows from the documented
/// limits: six tries, four upload sessions, one more read of damaged content.
const TRANSIENT: [Passing; 34] = [
    ("500", "GET|HEAD", "*", 2, |_| Fault::status(500)),
    ("502", "GET|HEAD", "*", 2, |_| Fault::status(502)),
    ("503", "*", "*/v2/*", 2, |_| Fault::status(503)),
    ("504", "GET|HEAD", "*", 2, |_| Fault::status(504)),
    ("408", "GET", "*", 2, |_| Fault::status(408)),
    ("429", "GET|HEAD", "*", 2, |_| {
        Fault::error(429, "TOOMANYREQUESTS", "Rate exceeded")
    }),
    ("429 with a time", "PUT", MANIFESTS, 1, |_| {
        Fault::error(429, "TOOMANYREQUESTS", "later").and(|_, reply| reply.header("Retry-After", 1))
    }),
    ("400 throttling", "GET", "*", 2, |_| {
        Fault::error(400, "ThrottlingException", "Rate exceeded")
    }),
    ("reset before a manifest", "GET|HEAD", MANIFESTS, 2, |_| {
        Fault::reset()
    }),
    ("close before a manifest", "GET|HEAD", MANIFESTS, 2, |_| {
        Fault::close()
    }),
    ("reset in a manifest", "GET", MANIFESTS, 2, |rng| {
        Fault::reset_after(rng.usize(..400))
    }),
    ("cut in a manifest", "GET", MANIFESTS, 2, |rng| {
        Fault::close_after(rng.usize(..400))
    }),
    ("manifest stalls", "GET", MANIFESTS, 1, |rng| {
        Fault::stall_after(rng.usize(..200), LONG)
    }),
    ("no head of a manifest", "GET", MANIFESTS, 1, |_| {
        Fault::stall_head(LONG)
    }),
    (
        "flip in a manifest",
        "GET",
        "*/manifests/sha256:*",
        1,
        |rng| Fault::flip(rng.usize(..200)),
    ),
    ("reset before a blob", "GET|HEAD", BLOBS, 2, |_| {
        Fault::reset()
    }),
    ("reset in a blob", "GET", BLOBS, 1, |rng| {
        Fault::reset_after(rng.usize(..60_000))
    }),
    ("cut in a blob", "GET", BLOBS, 1, |rng| {
        Fault::close_after(rng.usize(..60_000))
    }),
    ("blob stalls", "GET", BLOBS, 1, |rng| {
        Fault::stall_after(rng.usize(..60_000), LONG)
    }),
    ("no head of a blob", "GET", BLOBS, 1, |_| {
        Fault::stall_head(LONG)
    }),
    ("flip in a blob", "GET", BLOBS, 1, |rng| {
        Fault::flip(rng.usize(..200))
    }),
    ("cut, then no range", "GET", BLOBS, 1, |_| {
        Fault::ignore_range().and(|_, reply| reply.close_after(30_000))
    }),
    ("other range", "GET", BLOBS, 1, |_| {
        Fault::edit(|request, reply| {
            if request.header("range").is_some() {
                reply.header("Content-Range", "bytes 1-2/3")
            } else {
                reply.close_after(999)
            }
        })
    }),
    ("too long", "GET", BLOBS, 1, |_| {
        Fault::edit(|_, reply| reply.extend(10))
    }),
    ("503 of a session", "POST", UPLOADS, 2, |_| {
        Fault::status(503)
    }),
    ("session lost", "POST", UPLOADS, 1, |_| Fault::lose_reply()),
    ("500 of an upload", "PUT", UPLOADS, 1, |_| {
        Fault::status(500)
    }),
    ("reset of an upload", "PUT", UPLOADS, 1, |rng| {
        Fault::reset_request_after(rng.usize(..2000))
    }),
    ("upload unknown", "PUT", UPLOADS, 1, |_| {
        Fault::error(404, "BLOB_UPLOAD_UNKNOWN", "gone")
    }),
    ("reply to an upload lost", "PUT", UPLOADS, 1, |_| {
        Fault::lose_reply()
    }),
    ("500 of a manifest", "PUT", MANIFESTS, 2, |_| {
        Fault::status(500)
    }),
    ("reply to a manifest lost", "PUT", MANIFESTS, 2, |_| {
        Fault::lose_reply()
    }),
    ("blob unknown", "PUT", "*/manifests/sha256:*", 1, |_| {
        Fault::error(404, "MANIFEST_BLOB_UNKNOWN", "not yet")
    }),
    ("503 of the referrers", "GET", "*/referrers/*", 2, |_| {
        Fault::status(503)
    }),
];

/// Permanent faults: their names, the requests that they befall, what happens, and the expected
/// exit status.
type Lasting = (&'static str, &'static str, &'static str, fn() -> Fault, i32);

const LASTING: [Lasting; 14] = [
    (
        "tag unknown",
        "GET|HEAD",
        "*/manifests/v1",
        || Fault::error(404, "MANIFEST_UNKNOWN", "none"),
        80,
    ),
    (
        "repository unknown",
        "GET|HEAD",
        "*/app/manifests/*",
        || Fault::error(404, "NAME_UNKNOWN", "none"),
        80,
    ),
    ("always 500", "GET", MANIFESTS, || Fault::status(500), 69),
    ("always reset", "GET", MANIFESTS, Fault::reset, 69),
    (
        "always 429",
        "GET",
        MANIFESTS,
        || Fault::error(429, "TOOMANYREQUESTS", "no"),
        75,
    ),
    (
        "denied",
        "GET",
        MANIFESTS,
        || Fault::error(403, "DENIED", "no"),
        77,
    ),
    (
        "no manifest",
        "GET",
        MANIFESTS,
        || Fault::edit(|_, reply| reply.without_header("Docker-Content-Digest").body("{")),
        65,
    ),
    ("loop", "GET", MANIFESTS, || Fault::redirect(307, "v1"), 76),
    ("always damaged", "GET", BLOBS, || Fault::flip(3), 65),
    (
        "push denied",
        "POST",
        UPLOADS,
        || Fault::error(403, "DENIED", "no"),
        77,
    ),
    ("uploads fail", "PUT", UPLOADS, || Fault::status(500), 69),
    (
        "manifest refused",
        "PUT",
        MANIFESTS,
        || Fault::error(405, "UNSUPPORTED", "Invalid JSON syntax"),
        76,
    ),
    (
        "manifest too large",
        "PUT",
        MANIFESTS,
        || Fault::status(413),
        65,
    ),
    (
        "manifests throttled",
        "PUT",
        MANIFESTS,
        || Fault::error(429, "TOOMANYREQUESTS", "no"),
        75,
    ),
];

impl Trouble {
    /// Chooses a registry and its faults: mostly up to three transient ones.
    pub(super) fn choose(rng: &mut Rng, store: &Faulty) -> Self {
        if rng.u8(..6) > 0 {
            return Self::transient(rng, store);
        }
        let (name, methods, glob, fault, code) = LASTING[rng.usize(..LASTING.len())];
        Self {
            setup: Setup::default(),
            rules: vec![Rule::on(methods, glob, fault())],
            names: vec![name],
            end: End::Status(code),
        }
    }

    /// Chooses transient faults.
    pub(super) fn transient(rng: &mut Rng, store: &Faulty) -> Self {
        let chosen = rng.choose_multiple(TRANSIENT, 3);
        let rules = chosen.iter().map(|(_, methods, glob, most, fault)| {
            let times = rng.usize(1..=*most);
            Rule::on(methods, glob, fault(rng))
                .skip(rng.usize(..6))
                .times(times)
        });
        Self {
            rules: rules.collect(),
            names: chosen.iter().map(|(name, ..)| *name).collect(),
            setup: setup(rng, store),
            end: End::Indexed,
        }
    }
}

/// Chooses a registry.
fn setup(rng: &mut Rng, store: &Faulty) -> Setup {
    let setup = match rng.u8(..6) {
        0 => Setup::default().basic(USER, PASSWORD),
        1 => Setup::default().bearer(USER, PASSWORD),
        2 => Setup::default()
            .bearer(USER, PASSWORD)
            .token_uses(rng.usize(3..9)),
        3 => Setup::default()
            .ecr()
            .basic(USER, PASSWORD)
            .presigned_at(store),
        _ => Setup::default(),
    };
    match rng.u8(..4) {
        0 => setup.without_referrers(),
        1 => setup.without_referrers().habit(Habit::ConditionalPuts),
        _ => setup,
    }
}
