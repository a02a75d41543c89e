//! Runs `soci-prune` alone, on stores that the tests write.

mod limits;
mod output;
mod protection;
mod store;
mod surroundings;
