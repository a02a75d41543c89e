//! The HTTP client below the AWS SDK: the registry's own, so that the certificates and proxies of
//! the user apply.
//!
//! The SDK brings a client of its own otherwise: a second HTTP stack in every binary, and one that
//! knows neither.

use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use reqwest::Url;

use super::refusal::{LastRefusal, ServiceRefusal, parse_refusal};
use crate::http::clients::Clients;
use crate::http::egress::display_host;
use crate::http::error::describe_causes;
use crate::http::request_log::RequestLog;
use crate::http::response::Response;

/// Sends the SDK's requests with the clients of the registry.
#[derive(Clone, Debug)]
struct AwsClient {
    clients: Clients,
    /// How long one request may take, with the body of its response.
    timeout: Duration,
    refusals: LastRefusal,
}

/// Returns an HTTP client for the AWS SDK that sends its requests with `clients`, and records
/// whether the last one was refused.
pub(crate) fn client(clients: &Clients, refusals: &LastRefusal) -> SharedHttpClient {
    SharedHttpClient::new(AwsClient {
        clients: clients.clone(),
        timeout: TIMEOUT,
        refusals: refusals.clone(),
    })
}

impl HttpClient for AwsClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        // Only the services that serve credentials on the machine or the link set a read timeout: a
        // second or two, since on most machines no such service answers.
        let timeout = settings.read_timeout().map_or(TIMEOUT, |read| {
            read + settings.connect_timeout().unwrap_or_default()
        });
        SharedHttpConnector::new(Self {
            clients: self.clients.clone(),
            timeout,
            refusals: self.refusals.clone(),
        })
    }
}

impl HttpConnector for AwsClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (clients, timeout) = (self.clients.clone(), self.timeout);
        let refusals = self.refusals.clone();
        HttpConnectorFuture::new(async move {
            refusals.record(None);
            let (client, request) = to_reqwest(&clients, request, timeout)?;
            let response = send_logged(&client, request, None).await;
            let response = response.map_err(to_connector_error)?;
            from_reqwest(response, &refusals).await
        })
    }
}

/// Sends a request and logs it. `attempt` is its number if this crate counts them.
pub(super) async fn send_logged(
    client: &reqwest::Client,
    request: reqwest::Request,
    attempt: Option<u32>,
) -> Result<Response, reqwest::Error> {
    let mut log = RequestLog::start(request.method(), request.url(), attempt);
    match client.execute(request).await {
        Ok(response) => Ok(Response::new(response, log)),
        Err(error) => {
            log.record_failure(describe_causes(&error));
            Err(error)
        }
    }
}

/// How long one request may take, with the body of its response.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// How many bytes of a response are read at most. Tokens and credentials have a few KiB.
const RESPONSE_LIMIT: usize = 1 << 20;

/// Reads the body of a response, and stops once [`RESPONSE_LIMIT`] bytes were read.
pub(super) async fn read_body(response: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while body.len() < RESPONSE_LIMIT
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Translates a request, and chooses the client for it: a service on this machine or on the link,
/// such as the one that gives a virtual machine its credentials, is reached without a proxy.
fn to_reqwest(
    clients: &Clients,
    request: HttpRequest,
    timeout: Duration,
) -> Result<(reqwest::Client, reqwest::Request), ConnectorError> {
    let user = |error: BoxError| ConnectorError::user(error);
    let url: Url = request
        .uri()
        .parse()
        .map_err(|error| user(Box::new(error)))?;
    let client = clients.client_for_aws(&url).clone();
    let request = request
        .try_into_http1x()
        .map_err(|error| user(Box::new(error)))?;
    // The SDK streams the bodies of uploads only, and makes none here.
    let request = request.map(|body| body.bytes().map(<[u8]>::to_vec).unwrap_or_default());
    let mut request = reqwest::Request::try_from(request).map_err(|error| user(Box::new(error)))?;
    *request.timeout_mut() = Some(timeout);
    Ok((client, request))
}

/// Reads a response, records whether it is a refusal, and translates it.
async fn from_reqwest(
    mut response: Response,
    refusals: &LastRefusal,
) -> Result<HttpResponse, ConnectorError> {
    let (status, headers) = (response.status(), response.headers().clone());
    let host = display_host(response.url());
    let body = read_body(&mut response).await.map_err(to_connector_error)?;
    if !status.is_success() {
        let refusal = parse_refusal(status.as_u16(), &headers, &body);
        refusals.record(Some(ServiceRefusal { host, refusal }));
    }
    let status = status
        .as_u16()
        .try_into()
        .map_err(|error| ConnectorError::other(Box::new(error), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in &headers {
        // A value that is not text is one that the SDK does not read.
        if let Ok(value) = value.to_str() {
            response
                .headers_mut()
                .append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(response)
}

/// Tells the SDK what kind of failure it is, since that decides whether it tries again.
fn to_connector_error(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_connect() || error.is_body() || error.is_request() {
        ConnectorError::io(error.into())
    } else {
        ConnectorError::other(error.into(), None)
    }
}
