//! The Lambda function that indexes each image that is pushed to Amazon ECR.
//!
//! `EventBridge` puts an event of each push into an SQS queue, and Lambda calls the function with a
//! batch of messages. The function runs one pipe of the tools for all images of the batch, and
//! returns which messages the queue shall deliver again.

mod batch;
mod event;
mod filter;
mod handler;
mod log;
mod outcome;
mod pipe;
mod settings;
mod store;

pub use batch::BatchError;
pub use event::{Event, EventError, IgnoredEvent};
pub use filter::{Filter, FilterError, Filters};
pub use handler::Handler;
pub use log::Log;
pub use outcome::{Outcome, is_worth_retrying};
pub use settings::{Settings, SettingsError};
