//! ServiceAccount tokens that a Kubernetes API server reviews (`authentication.k8s.io/v1`).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::io::AsyncReadExt;

use crate::domain::{AuthnFault, Confirmation, Denial, Name, Principal, PrincipalKind, Secret};
use crate::net::{Answer, Client, Question};

use super::asked::{AskFault, AskSettings, Asked};
use super::claims::{self, Single};
use super::client_auth::LiveSecret;
use super::confirmation;
use super::introspection::token_key;
use super::json::parse_object;
use super::token::{MAX_TOKEN, Token};

/// What an `[authn.NAME.token_review]` asks with and demands of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenReviewSettings {
    /// The API server's base URL.
    pub ask: AskSettings,
    /// Where the token is with which the proxy may ask.
    pub own_token: OwnToken,
    /// The audiences of which a token must be for one; at least one.
    pub audiences: Vec<String>,
    /// What sort of caller a token stands for.
    pub kind: PrincipalKind,
}

/// Where the proxy's own ServiceAccount token is. It is replaced every hour or so, and read at each ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnToken {
    /// A file that the kubelet keeps fresh.
    File(PathBuf),
    /// A vault.
    Vault(LiveSecret),
}

impl Hash for TokenReviewSettings {
    /// By what tells settings apart in practice; equality looks at everything.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ask.hash(state);
    }
}

/// An `[authn.NAME.token_review]`.
pub struct TokenReview {
    settings: TokenReviewSettings,
    asked: Asked,
}

const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

impl TokenReview {
    /// An authenticator under these settings.
    ///
    /// # Errors
    /// One [`AskFault`] per way in which settings can be unsafe or useless.
    pub fn new(settings: TokenReviewSettings, client: &Arc<Client>) -> Result<Self, AskFault> {
        // Without one, the API server takes tokens that are for itself, and whoever is sent one could use it here.
        if settings.audiences.is_empty() || settings.audiences.iter().any(String::is_empty) {
            return Err(AskFault::Audience);
        }
        let url = format!("{}{PATH}", settings.ask.url.trim_end_matches('/'));
        Ok(Self { asked: Asked::new(AskSettings { url, ..settings.ask.clone() }, client)?, settings })
    }

    /// The NAME of its `[authn.NAME]`.
    pub fn name(&self) -> &Name {
        &self.settings.ask.name
    }

    /// The principal that it proves.
    pub(super) async fn verify(&self, token: &str, now: SystemTime) -> Result<Arc<Principal>, Denial> {
        // All else about a question is the same for all of them.
        let key = token_key(token).map_err(Denial::Unauthenticated)?;
        self.asked.verdict(key, now, || self.ask(token)).await
    }

    async fn ask(&self, token: &str) -> Result<Arc<Principal>, Denial> {
        let own = self.settings.own_token.bearer().await;
        let own = own.ok_or_else(|| self.asked.away("the proxy's own token is not to be had"))?;
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": { "token": token, "audiences": self.settings.audiences },
        });
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(AUTHORIZATION, own);
        let question = Question { method: Method::POST, headers, body: Bytes::from(review.to_string()) };
        let answer = self.asked.call(question).await?;
        self.judge(&answer, token)
    }

    /// What an answer proves. Anything but a review with a plain yes or no is no answer.
    fn judge(&self, answer: &Answer, token: &str) -> Result<Arc<Principal>, Denial> {
        if answer.status != StatusCode::CREATED && answer.status != StatusCode::OK {
            return Err(self.asked.odd_status(answer.status));
        }
        let review = parse_object(&answer.body).filter(|review| review.get("kind") == Some(&"TokenReview".into()));
        let status = review.as_ref().and_then(|review| review.get("status")).and_then(Value::as_object);
        let Some(status) = status else { return Err(self.asked.away("the answer is no TokenReview with a status")) };
        match status.get("authenticated") {
            Some(Value::Bool(true)) => self.principal(status, token).map_err(Denial::Unauthenticated),
            // The API server leaves out what is false.
            Some(Value::Bool(false)) | None => Err(Denial::Unauthenticated(AuthnFault::Inactive)),
            Some(_) => Err(self.asked.away("the review's `authenticated` is neither true nor false")),
        }
    }

    fn principal(&self, status: &Map<String, Value>, token: &str) -> Result<Arc<Principal>, AuthnFault> {
        // An authenticator of the cluster that knows nothing of audiences says yes without naming one.
        claims::check_audience(&self.settings.audiences, status.get("audiences"))?;
        let user = status.get("user").and_then(Value::as_object).ok_or(AuthnFault::Claim)?;
        let id = user.get("username").and_then(Value::as_str).ok_or(AuthnFault::Claim)?;
        if !Principal::is_valid_id(id) {
            return Err(AuthnFault::Claim);
        }
        // What the API server has verified says of itself when it ends and what it is bound to; a token of another form does not.
        let (expires, confirmation) = match Token::claims_of(token)? {
            Some(own) => (claims::time(&own, "exp")?, confirmation::read(own.get("cnf"))?),
            None => (None, Confirmation::default()),
        };
        Ok(Arc::new(Principal {
            roles: claims::names(user.get("groups"), Single::OneName)?,
            expires,
            confirmation,
            ..Principal::new(self.name().clone(), self.settings.kind, id.to_owned())
        }))
    }
}

impl OwnToken {
    /// The header's value.
    async fn bearer(&self) -> Option<HeaderValue> {
        let secret = match self {
            Self::Vault(secret) => return bearer(&*secret.load().ok()?),
            Self::File(path) => {
                let mut content = Vec::new();
                let file = tokio::fs::File::open(path).await.ok()?;
                file.take(MAX_TOKEN as u64 + 2).read_to_end(&mut content).await.ok()?;
                Secret::new(content).trim_line_end()
            }
        };
        bearer(&secret)
    }
}

fn bearer(token: &Secret) -> Option<HeaderValue> {
    let token = std::str::from_utf8(token.expose()).ok()?;
    let is_token = (1..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| is_token)?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for TokenReview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenReview").field("settings", &self.settings).finish_non_exhaustive()
    }
}
