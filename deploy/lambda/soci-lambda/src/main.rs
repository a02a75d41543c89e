//! The `soci-lambda` executable: the loop of the Lambda runtime around the library.

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use soci_lambda::{Handler, Log, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let settings = match Settings::from_environment() {
        Ok(settings) => settings,
        Err(error) => {
            Log::default().error(&error.to_string());
            return ExitCode::from(78);
        }
    };
    let handler = Arc::new(Handler::new(settings));
    let run = lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let handler = Arc::clone(&handler);
        async move {
            let (payload, context) = event.into_parts();
            let deadline = context.deadline();
            let answer = handler.handle(&payload, &context.request_id, deadline);
            answer.await.map_err(lambda_runtime::Error::from)
        }
    }));
    match run.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            Log::default().error(&format!("the Lambda runtime API failed: {error}"));
            ExitCode::from(70)
        }
    }
}
