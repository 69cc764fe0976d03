//! The calls to a provider of keys. What goes wrong is told without anything of what was sent or answered.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use super::provider::{Call, HttpProvider, ListCall};
use crate::domain::{Secret, Wiped};
use crate::net::{Answer, Client, NetError, Question, sensitive};
use crate::vault::sealed::check_secret;

/// A new key.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) secret: Secret,
    /// What the provider calls it, where that is known.
    pub(super) id: Option<String>,
}

/// Why there is no new key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CallFault {
    /// None was made, and asking again is of no use.
    Refused(String),
    /// None was made; asking again may help.
    Away(String),
    /// One may have been made.
    Unknown(String),
}

/// The longest id that is taken, in bytes.
const MAX_ID: usize = 256;

impl HttpProvider {
    /// Makes a key, after having told off what an earlier try of the same attempt has left.
    pub(super) async fn make(&self, attempt: &str) -> Result<Made, CallFault> {
        let calls = Calls::new(self).map_err(CallFault::Away)?;
        if let Some(list) = &self.list {
            let (_, live) = calls.sweep(list, attempt).await.map_err(CallFault::Away)?;
            if live >= self.room {
                let room = self.room;
                return Err(CallFault::Refused(format!(
                    "the provider has {live} keys and room for {room}: retire one by hand"
                )));
            }
        }
        calls.create(attempt).await
    }

    /// Tells off what an attempt has left; tells how many keys that were. Without a list, nobody knows.
    pub(super) async fn sweep(&self, attempt: &str) -> Result<usize, String> {
        match &self.list {
            Some(list) => Calls::new(self)?.sweep(list, attempt).await.map(|(retired, _)| retired),
            None => Ok(0),
        }
    }

    /// Keeps the key of this id alive, where it has to be.
    pub(super) async fn keep(&self, call: &Call, id: &str) -> Result<(), CallFault> {
        let calls = Calls::new(self).map_err(CallFault::Away)?;
        let answer = calls.ask(call, id).await.map_err(|error| CallFault::Away(told("renew", error)))?;
        let reason = format!("the provider answered `renew` with status {}", answer.status.as_u16());
        match answer.status {
            status if status.is_success() => Ok(()),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::GONE => Err(CallFault::Refused(reason)),
            _ => Err(CallFault::Away(reason)),
        }
    }

    /// Tells off the key of this id.
    pub(super) async fn retire(&self, id: &str) -> Result<(), String> {
        Calls::new(self)?.retire(id).await
    }
}

/// One round of calls, with what they are made with.
struct Calls<'a> {
    provider: &'a HttpProvider,
    client: Client,
    admin: HeaderValue,
}

impl<'a> Calls<'a> {
    fn new(provider: &'a HttpProvider) -> Result<Self, String> {
        let secret = provider.admin.load().map_err(|error| format!("{}: {error}", provider.admin.name()))?;
        let prefix = &provider.header.1;
        let mut value = Wiped::with_capacity(prefix.len() + secret.expose().len());
        [prefix.as_bytes(), secret.expose()].iter().for_each(|part| value.extend(part));
        let unfit = || format!("{}: it can be in no header field", provider.admin.name());
        let admin = sensitive(value).ok_or_else(unfit)?;
        let client = Client::new(provider.client.clone()).map_err(|error| error.to_string())?;
        Ok(Self { provider, client, admin })
    }

    async fn create(&self, attempt: &str) -> Result<Made, CallFault> {
        let create = &self.provider.create;
        let answer = self.ask(&create.call, attempt).await.map_err(|error| match error {
            NetError::Timeout | NetError::Interrupted | NetError::TooLarge => CallFault::Unknown(told("create", error)),
            NetError::Name | NetError::Connect => CallFault::Away(told("create", error)),
            NetError::Authorities
            | NetError::Identity
            | NetError::Setup
            | NetError::Url
            | NetError::Scheme
            | NetError::Address
            | NetError::Redirect
            | NetError::Status(_) => CallFault::Refused(told("create", error)),
        })?;
        let status = answer.status;
        let answered = format!("the provider answered `create` with status {}", status.as_u16());
        match status {
            _ if status.is_success() => {}
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                return Err(CallFault::Away(answered));
            }
            _ if status.is_client_error() => return Err(CallFault::Refused(answered)),
            _ => return Err(CallFault::Unknown(answered)),
        }
        let body: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| CallFault::Unknown("the answer to `create` is no JSON".to_owned()))?;
        let id = create.id.as_ref().map(|place| id_at(&body, place).ok_or("the answer to `create` has no id at `id`"));
        let secret = secret_at(&body, &create.take).ok_or("the answer to `create` has no secret at `take`");
        match (secret, id.transpose()) {
            (Ok(secret), Ok(id)) => Ok(Made { secret, id }),
            (Err(fault), Ok(Some(id))) => {
                // Nobody will ever use it.
                let left = self.retire(&id).await.err();
                let left = left
                    .map_or_else(String::new, |reason| format!("; the key that it told of is left there: {reason}"));
                Err(CallFault::Refused(format!("{fault}{left}")))
            }
            (_, Err(fault)) | (Err(fault), Ok(None)) => Err(CallFault::Unknown(fault.to_owned())),
        }
    }

    /// Tells off all keys of an attempt; tells how many that were, and how many are left.
    async fn sweep(&self, list: &ListCall, attempt: &str) -> Result<(usize, usize), String> {
        let answer = self.ask(&list.call, attempt).await.map_err(|error| told("list", error))?;
        if !answer.status.is_success() {
            return Err(format!("the provider answered `list` with status {}", answer.status.as_u16()));
        }
        let body: Value = serde_json::from_slice(&answer.body).map_err(|_| "the answer to `list` is no JSON")?;
        let items =
            body.pointer(&list.items).and_then(Value::as_array).ok_or("the answer to `list` has no keys at `items`")?;
        let mut retired = 0;
        for item in items {
            let name = item.pointer(&list.name).and_then(Value::as_str).unwrap_or_default();
            if name.contains(attempt) {
                let id = id_at(item, &list.id).ok_or("a key in the answer to `list` has no id at `id`")?;
                self.retire(&id).await?;
                log::warn!("a key that was made in an attempt that did not come to its end is retired: {id}");
                retired += 1;
            }
        }
        Ok((retired, items.len() - retired))
    }

    async fn retire(&self, id: &str) -> Result<(), String> {
        let call = self.provider.retire.as_ref().ok_or("no call is configured that retires it")?;
        let answer = self.ask(call, id).await.map_err(|error| told("retire", error))?;
        let is_gone = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE);
        match answer.status.is_success() || is_gone {
            true => Ok(()),
            false => Err(format!("the provider answered `retire` with status {}", answer.status.as_u16())),
        }
    }

    async fn ask(&self, call: &Call, value: &str) -> Result<Answer, NetError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        for (name, template) in &call.headers {
            headers.insert(name, HeaderValue::try_from(template.fill(value)).map_err(|_| NetError::Url)?);
        }
        headers.insert(self.provider.header.0.clone(), self.admin.clone());
        let mut body = Bytes::new();
        if let Some((template, form)) = &call.body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.text()));
            body = Bytes::from(template.fill(value));
        } else if call.method != Method::GET {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let url = format!("{}{}", self.provider.url.trim_end_matches('/'), call.path.fill(value));
        self.client.ask(&url, Question { method: call.method.clone(), headers, body }).await
    }
}

fn told(call: &str, error: NetError) -> String {
    format!("the provider was asked to `{call}`: {error}")
}

fn secret_at(body: &Value, place: &str) -> Option<Secret> {
    let secret = Secret::new(body.pointer(place)?.as_str()?.as_bytes().to_vec());
    check_secret(&secret).ok().map(|()| secret)
}

/// An id as it may stand in calls, in states and in the log: a short text of visible characters, or a number.
fn id_at(body: &Value, place: &str) -> Option<String> {
    let id = match body.pointer(place)? {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_u64() => number.to_string(),
        Value::Number(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    is_id(&id).then_some(id)
}

/// Whether a text can be the id of a key.
pub fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) && !matches!(id, "." | "..")
}
