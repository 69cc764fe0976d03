//! One POST of a message to a receiver.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use prost::Message;

use super::proto::Response;
use crate::net::{Client, Question};

/// Where messages of one kind go.
#[derive(Debug, Clone)]
pub struct Exporter {
    /// The whole URL, `/v1/logs` or `/v1/traces` included.
    pub url: String,
    /// What it is asked with.
    pub client: Arc<Client>,
    /// Whether bodies are compressed.
    pub gzip: bool,
}

/// What became of a message that a receiver took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// How many of its records it refused for good.
    pub rejected: u64,
    /// Why; the receiver's words.
    pub reason: String,
}

impl Exporter {
    /// Sends a message, with a header that proves who sends it where there is one.
    ///
    /// # Errors
    /// Why it was not taken. It may be sent again.
    pub async fn send(
        &self,
        message: &impl Message,
        proof: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Exported, String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.extend(proof);
        let mut body = message.encode_to_vec();
        if self.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            body = gzip(&body);
        }
        let question = Question { method: Method::POST, headers, body: Bytes::from(body) };
        let answer = self.client.ask(&self.url, question).await.map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(format!("it answered {}", answer.status.as_u16()));
        }
        // Nothing is asked of the body of a receiver that does not follow the specification: it took the message.
        let partial = Response::decode(answer.body).ok().and_then(|response| response.partial_success);
        let partial = partial.unwrap_or_default();
        Ok(Exported { rejected: u64::try_from(partial.rejected).unwrap_or(0), reason: partial.error_message })
    }
}

/// The same bytes in gzip (RFC 1952).
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    // Into memory, it can always be written.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
