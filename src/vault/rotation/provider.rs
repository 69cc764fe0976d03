//! A provider of keys, and the calls by which one is made, found and told off there.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};

use super::state::fingerprint_of;
use super::template::CallTemplate;
use crate::net::ClientSettings;
use crate::vault::Slot;

/// A provider that makes keys over HTTP, as its documentation has it.
#[derive(Debug, Clone)]
pub struct HttpProvider {
    /// Where it is: what the paths of calls come behind.
    pub url: String,
    /// The rules and limits of calls.
    pub client: ClientSettings,
    /// What calls are made with.
    pub admin: Arc<Slot>,
    /// The header field that it is sent in, and what stands there before it.
    pub header: (HeaderName, String),
    /// Makes a key.
    pub create: CreateCall,
    /// Tells which keys there are, where the provider can.
    pub list: Option<ListCall>,
    /// Tells a key off, where that is done by a call.
    pub retire: Option<Call>,
    /// Keeps a key alive, and how often it is called, where keys end by themselves.
    pub renew: Option<(Call, Duration)>,
    /// The id of the key that is in use before the first rotation, where somebody knows it.
    pub first_id: Option<String>,
    /// How many keys the provider lets live at once.
    pub room: usize,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path, behind the provider's URL.
    pub path: CallTemplate,
    /// The body and its type, where it has one.
    pub body: Option<(CallTemplate, BodyType)>,
    /// More header fields.
    pub headers: Vec<(HeaderName, CallTemplate)>,
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyType {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// A call that makes a key. Places in answers are JSON Pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CreateCall {
    /// The call.
    pub call: Call,
    /// Where the secret is in the answer.
    pub take: String,
    /// Where its id is, where it has one.
    pub id: Option<String>,
}

/// A call that tells of all keys. Places in answers are JSON Pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListCall {
    /// The call.
    pub call: Call,
    /// Where the array of keys is in the answer.
    pub items: String,
    /// Where its id is in each of them.
    pub id: String,
    /// Where what `create` was told with `{attempt}` is in each of them.
    pub name: String,
}

impl HttpProvider {
    /// Whether a key of an attempt whose end is not known can be told from others, or is made once however often it is asked for.
    pub(super) fn tells_attempts_apart(&self) -> bool {
        // A header field with it is an idempotency key; elsewhere it is but a name, which tells nothing where nobody can list them.
        self.list.is_some() || self.create.call.headers.iter().any(|(_, value)| value.has_placeholder())
    }

    /// A digest of where ids are from and what they are good for: those of another provider name other keys.
    pub(super) fn origin(&self) -> String {
        let calls = [Some(&self.create.call), self.retire.as_ref()].map(|call| call.map(Call::spelled));
        let places = (&self.create.take, &self.create.id);
        fingerprint_of(serde_json::json!([self.url, calls, places]).to_string().as_bytes())
    }
}

impl Call {
    /// Whether anything in it is filled in.
    pub fn has_placeholder(&self) -> bool {
        let body = self.body.iter().map(|(body, _)| body);
        let headers = self.headers.iter().map(|(_, value)| value);
        std::iter::once(&self.path).chain(body).chain(headers).any(CallTemplate::has_placeholder)
    }

    /// All of it as texts.
    fn spelled(&self) -> Vec<String> {
        let text = |template: &CallTemplate| template.fill("{}");
        let head = [self.method.to_string(), text(&self.path)];
        let body = self.body.iter().flat_map(|(body, form)| [form.text().to_owned(), text(body)]);
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {}", text(value)));
        head.into_iter().chain(body).chain(headers).collect()
    }
}

impl BodyType {
    /// What `Content-Type` says.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }
}

/// By what tells settings apart: the secret by where it is.
impl PartialEq for HttpProvider {
    fn eq(&self, other: &Self) -> bool {
        let Self { url, client, admin, header, create, list, retire, renew, first_id, room } = self;
        Arc::ptr_eq(admin, &other.admin)
            && (url, client, header, create) == (&other.url, &other.client, &other.header, &other.create)
            && (list, retire, renew) == (&other.list, &other.retire, &other.renew)
            && (first_id, room) == (&other.first_id, &other.room)
    }
}

impl Eq for HttpProvider {}

impl Hash for HttpProvider {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.url, self.admin.name(), &self.create, &self.retire).hash(state);
    }
}
