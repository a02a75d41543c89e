//! A limit on requests per second, as a token bucket.

use std::{sync::Mutex, time::Instant};

use super::reply::Reply;

#[derive(Debug)]
pub(super) struct RateLimit {
    /// Requests per second, which is also the bucket's capacity.
    limit: f64,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// How many requests may pass at once.
    level: f64,
    updated: Instant,
}

impl RateLimit {
    /// Returns a limit whose first second of requests may come at once.
    pub(super) fn per_second(limit: u32) -> Self {
        let bucket = Bucket {
            level: limit.into(),
            updated: Instant::now(),
        };
        Self {
            limit: limit.into(),
            bucket: Mutex::new(bucket),
        }
    }

    /// Counts a request. Returns its rejection, with status 429, if it is over the limit.
    pub(super) fn check_request(&self) -> Option<Reply> {
        let mut bucket = self.bucket.lock().expect("no panic");
        let refill = bucket.updated.elapsed().as_secs_f64() * self.limit;
        bucket.level = (bucket.level + refill).min(self.limit);
        bucket.updated = Instant::now();
        if bucket.level < 1.0 {
            return Some(Reply::error(429, "TOOMANYREQUESTS", "Rate exceeded"));
        }
        bucket.level -= 1.0;
        None
    }
}
