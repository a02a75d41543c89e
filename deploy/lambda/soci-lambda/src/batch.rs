//! A batch of messages of an SQS queue.

use serde_json::Value;

use crate::event::{Event, EventError};

/// An invocation that is not one of an SQS queue.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The payload has no list `Records`.
    #[error("the payload has no list `Records`: an SQS queue must invoke the function")]
    NoRecords,
}

/// A message of the queue.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// The id by which the answer names the message.
    pub(crate) id: &'a str,
    /// What the message asks for.
    pub(crate) event: Result<Event, EventError>,
}

/// Returns the messages of a batch. A record without an id is left out: the answer cannot name it.
pub(crate) fn parse_batch(payload: &Value) -> Result<Vec<Message<'_>>, BatchError> {
    let records = payload.get("Records").and_then(Value::as_array);
    let records = records.ok_or(BatchError::NoRecords)?.iter();
    Ok(records.filter_map(parse_message).collect())
}

fn parse_message(record: &Value) -> Option<Message<'_>> {
    let text = |name| record.get(name).and_then(Value::as_str);
    // An empty id in the answer would make the whole batch count as failed.
    let id = text("messageId").filter(|id| !id.is_empty())?;
    Some(Message {
        id,
        event: Event::parse(text("body").unwrap_or_default()),
    })
}
