//! A limit of requests a second, as a bucket of tokens that fills with time.

use std::{sync::Mutex, time::Instant};

use super::reply::Reply;

#[derive(Debug)]
pub(super) struct Bucket {
    limit: f64,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// Makes a full bucket for a second's requests.
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit: limit.into(),
            level: Mutex::new((limit.into(), Instant::now())),
        }
    }

    /// Lets a request pass, or returns its refusal.
    pub(super) fn take(&self) -> Option<Reply> {
        let mut level = self.level.lock().expect("no panic");
        let (tokens, since) = *level;
        let filled = tokens + since.elapsed().as_secs_f64() * self.limit;
        let filled = filled.min(self.limit);
        let passes = filled >= 1.0;
        *level = (if passes { filled - 1.0 } else { filled }, Instant::now());
        (!passes).then(|| Reply::error(429, "TOOMANYREQUESTS", "Rate exceeded"))
    }
}
