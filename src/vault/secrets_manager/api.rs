//! The one call that is made (AWS Secrets Manager API Reference, "GetSecretValue"), signed with the access key as it is at that moment.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::SecretsManagerSettings;
use super::content::Content;
use crate::crypto::sha256;
use crate::crypto::sigv4::{AccessKey, DayKey, Head, Payload, Settings, Signature, Signer, SigningTime};
use crate::net::{Answer, Client, NetError, Question};
use crate::vault::VaultError;

/// One endpoint, and with what it is asked.
#[derive(Debug)]
pub(super) struct Api {
    settings: SecretsManagerSettings,
    client: Result<Client, NetError>,
}

/// What an answer says that is none ("Common Errors").
#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "__type")]
    kind: String,
}

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const GET_SECRET_VALUE: HeaderValue = HeaderValue::from_static("secretsmanager.GetSecretValue");
const AMZ_JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
/// The service's name in signatures.
const SERVICE: &str = "secretsmanager";
/// The one version of a secret that is in force, while another may be on its way.
const STAGE: &str = "AWSCURRENT";

impl Api {
    pub(super) fn new(settings: SecretsManagerSettings) -> Self {
        let client = Client::new(settings.client.clone());
        Self { settings, client }
    }

    /// What the secret of this name holds now.
    pub(super) async fn read(&self, name: &str) -> Result<Content, VaultError> {
        let client = self.client.as_ref().map_err(|error| VaultError::Call(*error))?;
        let question = self.question(name, SystemTime::now())?;
        read_answer(&client.ask(&self.settings.url, question).await.map_err(VaultError::Call)?)
    }

    /// What is asked at this time.
    pub(super) fn question(&self, name: &str, now: SystemTime) -> Result<Question, VaultError> {
        let body = json!({ "SecretId": name, "VersionStage": STAGE }).to_string();
        let host = Client::host_field(&self.settings.url).map_err(VaultError::Call)?;
        let host = HeaderValue::try_from(host).map_err(|_| VaultError::Call(NetError::Url))?;
        let fields = [(header::HOST, host), (header::CONTENT_TYPE, AMZ_JSON), (TARGET, GET_SECRET_VALUE)];
        let mut headers = HeaderMap::from_iter(fields);
        let signature = self.sign(&headers, body.as_bytes(), now)?;
        // The client writes it, as it was signed.
        headers.remove(header::HOST);
        headers.extend(signature.into_headers());
        Ok(Question { method: Method::POST, headers, body: Bytes::from(body) })
    }

    fn sign(&self, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Result<Signature, VaultError> {
        let key = |slot: &crate::vault::Slot| slot.load().map_err(|_| VaultError::AccessKey);
        let (id, secret) = (key(&self.settings.access_key)?, key(&self.settings.secret)?);
        let token = self.settings.session_token.as_deref().map(key).transpose()?;
        let id = std::str::from_utf8(id.expose()).map_err(|_| VaultError::AccessKey)?;
        let how = Settings::for_service(SERVICE);
        let signed = || {
            let access = AccessKey::new(id, token.as_ref().map(|token| token.expose()))?;
            let at = SigningTime::new(now)?;
            let key = DayKey::derive(secret.expose(), &at, &self.settings.region, SERVICE)?;
            let head = Head { method: &Method::POST, path: "/", query: None, headers };
            Signer { access: &access, key: &key, settings: &how }.sign(&head, Payload::Signed(sha256(body)), &at)
        };
        signed().map_err(|_| VaultError::AccessKey)
    }
}

pub(super) fn read_answer(answer: &Answer) -> Result<Content, VaultError> {
    if answer.status == StatusCode::OK {
        return Content::parse(&answer.body);
    }
    let failure = serde_json::from_slice(&answer.body).map(|Failure { kind }| kind);
    // Both with and without the name space in front and an address behind (Smithy, "AWS JSON 1.1 protocol", operation errors).
    let kind = failure.unwrap_or_default();
    let kind = kind.rsplit('#').next().and_then(|kind| kind.split(':').next()).unwrap_or_default();
    match (kind, answer.status) {
        // Asking for a value, the second is what one gets of a secret that is marked to be deleted.
        ("ResourceNotFoundException" | "InvalidRequestException", _) => Err(VaultError::NotFound),
        (
            "AccessDeniedException"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "NotAuthorized"
            | "OptInRequired"
            | "RequestExpired"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException",
            _,
        )
        | (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(VaultError::Refused),
        (_, status) => Err(VaultError::Call(NetError::Status(status.as_u16()))),
    }
}
