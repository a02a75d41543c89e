//! The work of one invocation.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::batch::{BatchError, Message, parse_batch};
use crate::event::{Event, IgnoredEvent};
use crate::log::{Entry, Log};
use crate::outcome::Outcome;
use crate::pipe::{self, Finished};
use crate::settings::Settings;
use crate::store;

/// How long before Lambda's deadline the pipe is stopped: the tools have six seconds to end. It is
/// half of the time that is left if that is shorter.
const STOP_BEFORE: Duration = Duration::from_secs(10);

/// The function.
#[derive(Debug)]
pub struct Handler {
    settings: Settings,
}

impl Handler {
    /// Returns a function with these settings.
    pub const fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Handles one batch of messages until `deadline`, when Lambda ends the process, and returns the
    /// answer: `batchItemFailures` names the messages that the queue shall deliver again.
    ///
    /// # Errors
    ///
    /// Returns an error if the payload is not a batch of messages.
    pub async fn handle(
        &self,
        payload: &Value,
        request: &str,
        deadline: SystemTime,
    ) -> Result<Value, BatchError> {
        let log = Log::of_request(request);
        let messages = parse_batch(payload).inspect_err(|error| log.error(&error.to_string()))?;
        let wanted: Vec<(&str, &str)> = messages
            .iter()
            .filter_map(|message| Some((message.id, self.find_image(message, &log)?)))
            .collect();
        let mut images: Vec<&str> = wanted.iter().map(|(_, image)| *image).collect();
        images.sort_unstable();
        images.dedup();
        let mut finished = Ok(Finished::default());
        if !images.is_empty() {
            // Before the pipe, since Lambda may have ended the process of the last invocation.
            self.empty_large_store(&log);
            finished = pipe::run(&self.settings, &images, stop_at(deadline), &log).await;
        }
        let failures = wanted.iter().filter(|(id, image)| {
            let outcome = outcome_of(&finished, image);
            log.write(
                outcome
                    .to_entry()
                    .with("image", *image)
                    .with("messageId", *id),
            );
            outcome.is_worth_retrying()
        });
        let failures: Vec<Value> = failures
            .map(|(id, _)| json!({"itemIdentifier": id}))
            .collect();
        Ok(json!({ "batchItemFailures": failures }))
    }

    /// Returns the image that a message asks for, or logs why it asks for none.
    fn find_image<'a>(&self, message: &'a Message<'_>, log: &Log) -> Option<&'a str> {
        let ignored = match &message.event {
            Ok(Event::Push {
                image,
                repository,
                tag,
            }) => {
                let reason = if self.settings.is_own_tag(tag) {
                    IgnoredEvent::Converted
                } else if self.settings.filters.match_image(repository, tag) {
                    return Some(image);
                } else {
                    IgnoredEvent::Filtered
                };
                Entry::info(reason.reason())
                    .with("image", &**image)
                    .with("outcome", "ignored")
            }
            Ok(Event::Ignored(ignored)) => Entry::info(ignored.reason()).with("outcome", "ignored"),
            Err(error) => Entry::warning(&error.to_string()).with("outcome", "malformed"),
        };
        log.write(ignored.with("messageId", message.id));
        None
    }

    fn empty_large_store(&self, log: &Log) {
        let directory = self.settings.store.parent();
        let limit = directory.map_or(0, store::limit_of);
        if let Err(error) = store::empty_if_larger(&self.settings.store, limit) {
            log.error(&format!("the store cannot be emptied: {error}"));
        }
    }
}

/// Returns when the pipe is stopped.
#[expect(
    clippy::disallowed_methods,
    reason = "no output depends on the time that is left"
)]
fn stop_at(deadline: SystemTime) -> Instant {
    let left = deadline.duration_since(SystemTime::now());
    let left = left.unwrap_or_default();
    Instant::now() + left - STOP_BEFORE.min(left / 2)
}

fn outcome_of(finished: &std::io::Result<Finished>, image: &str) -> Outcome {
    let why = match finished {
        Ok(finished) => match finished.outcomes.get(image) {
            Some(outcome) => return outcome.clone(),
            None if finished.was_stopped => "not finished: Lambda's time limit is near".to_owned(),
            None => "the pipe ended without a result: a tool was killed, perhaps because the \
                     function has too little memory, or refused its options"
                .to_owned(),
        },
        Err(error) => format!("the tools cannot be started: {error}"),
    };
    Outcome::Missing(why)
}
