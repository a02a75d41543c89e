//! How many requests each kind of run sends: the table in `docs/scale/requests.md`.
//!
//! `UPDATE_REQUESTS=1 cargo test -p soci-e2e --test requests` writes the table.

use std::fmt::Write as _;
use std::thread::{self, ScopedJoinHandle};
use std::{env, fs};

use soci_testkit::{
    faulty::{Faulty, Habit, Setup},
    image::{self, Image, random_layer},
    process::{Sandbox, pipeline},
    workspace,
};

const PAGE: &str = "docs/scale/requests.md";

/// The lines around the table.
const MARKS: [&str; 2] = ["<!-- requests: begin -->\n", "<!-- requests: end -->\n"];

/// The registries, in the order of the columns.
const REGISTRIES: [&str; 3] = ["POST", "API", "none"];

/// The versions of the index that a plan asks for.
const VERSIONS: [&str; 3] = ["both", "v1", "v2"];

/// The kinds of runs, in the order in which they follow each other.
const KINDS: [&str; 5] = [
    "first",
    "again, with the same store",
    "again, with an empty store",
    "rebuild with one new layer of two, with the same store",
    "rebuild with one new layer of two, with an empty store and `--reuse-from`",
];

/// A registry, and the plan of all runs.
struct Case {
    registry: Faulty,
    version: &'static str,
}

impl Case {
    /// Adds an image to the registry, with a small layer for each seed.
    fn publish(&self, tag: &str, seeds: [u64; 2]) {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        let layers = seeds.into_iter().filter(|seed| *seed > 0);
        let image = layers.fold(Image::new("linux/amd64"), |image, seed| {
            image.layer(random_layer(seed, 1000))
        });
        image::write_layout(&layout, &[image]);
        self.registry.push(&layout, &format!("app:{tag}"));
    }

    fn reference(&self, tag: &str) -> String {
        format!("{}/app:{tag}", self.registry.host())
    }

    /// Runs the pipe, and returns how many requests it has sent.
    fn count(&self, sandbox: &Sandbox, tag: &str, plan: &[&str]) -> usize {
        self.registry.clear_requests();
        let plan_tool = sandbox
            .tool("soci-plan")
            .args(["--min-layer-size", "0", "--index-version", self.version])
            .args(plan);
        let tools = [
            sandbox.tool("soci-pull").arg(self.reference(tag)),
            plan_tool,
            sandbox.tool("soci-index"),
            sandbox.tool("soci-push").env("SOCI_RETRY_WAIT", "0.01"),
        ];
        for ended in pipeline(tools) {
            ended.succeeds();
        }
        self.registry.requests().len()
    }

    /// Returns the requests of each kind of run.
    fn count_all(&self) -> [usize; KINDS.len()] {
        let sandbox = Sandbox::new();
        self.publish("v1", [1, 0]);
        let first = self.count(&sandbox, "v1", &[]);
        let again = self.count(&sandbox, "v1", &[]);
        let again_empty = self.count(&Sandbox::new(), "v1", &[]);
        self.publish("v2", [1, 2]);
        let rebuild = self.count(&sandbox, "v2", &[]);
        self.publish("v3", [1, 3]);
        let reuse = ["--reuse-from", &self.reference("v1")];
        let rebuild_empty = self.count(&Sandbox::new(), "v3", &reuse);
        [first, again, again_empty, rebuild, rebuild_empty]
    }
}

/// Returns the table of all kinds of runs.
fn measure() -> String {
    let setups: [fn() -> Setup; 3] = [
        || Faulty::setup().habit(Habit::SinglePosts),
        Faulty::setup,
        || Faulty::setup().without_referrers(),
    ];
    let cases = setups.into_iter().flat_map(|setup| {
        VERSIONS.map(|version| {
            let registry = setup().start();
            Case { registry, version }
        })
    });
    let cases: Vec<Case> = cases.collect();
    let columns: Vec<[usize; KINDS.len()]> = thread::scope(|scope| {
        let running: Vec<_> = cases
            .iter()
            .map(|case| scope.spawn(|| case.count_all()))
            .collect();
        let counted = running.into_iter().map(ScopedJoinHandle::join);
        counted.map(|counts| counts.expect("no panic")).collect()
    });
    let mut table = "| run |".to_owned();
    for registry in REGISTRIES {
        for version in VERSIONS {
            write!(table, " {registry}, {version} |").expect("a string");
        }
    }
    table += "\n|---|---|---|---|---|---|---|---|---|---|\n";
    for (row, kind) in KINDS.iter().enumerate() {
        write!(table, "| {kind} |").expect("a string");
        for column in &columns {
            write!(table, " {} |", column[row]).expect("a string");
        }
        table.push('\n');
    }
    table
}

#[test]
fn each_kind_of_run_sends_the_requests_of_the_table() {
    let path = workspace::root().join(PAGE);
    let page = fs::read_to_string(&path).expect("the page");
    let (before, rest) = page.split_once(MARKS[0]).expect("the begin of the table");
    let (table, after) = rest.split_once(MARKS[1]).expect("the end of the table");
    let measured = measure();
    if env::var_os("UPDATE_REQUESTS").is_some() {
        let [begin, end] = MARKS;
        let page = format!("{before}{begin}{measured}{end}{after}");
        fs::write(&path, page).expect("a writable page");
        return;
    }
    assert_eq!(measured, table, "see {PAGE} and UPDATE_REQUESTS");
}
