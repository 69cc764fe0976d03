//! The calls to a provider of keys. What goes wrong is told without anything of what was sent or answered.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use super::provider::{Call, HttpProvider, ListCall};
use crate::crypto::constant_time_eq;
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
    /// Keys of the ids in `kept` are left alone.
    pub(super) async fn make(&self, attempt: &str, kept: &[&str]) -> Result<Made, CallFault> {
        let calls = Calls::new(self).map_err(CallFault::Away)?;
        if let Some(list) = &self.list {
            let swept = calls.sweep(list, attempt, kept).await;
            let (_, live) = swept.map_err(|fault| CallFault::Away(fault.reason()))?;
            if live >= self.room {
                let room = self.room;
                return Err(CallFault::Refused(format!(
                    "the provider has {live} keys and room for {room}: retire one by hand"
                )));
            }
        }
        calls.create(attempt).await
    }

    /// Tells off what an attempt has left, but no key of the ids in `kept`; tells how many keys that were. Without a list, nobody knows.
    pub(super) async fn sweep(&self, attempt: &str, kept: &[&str]) -> Result<usize, CallFault> {
        let calls = Calls::new(self).map_err(CallFault::Away)?;
        match &self.list {
            Some(list) => calls.sweep(list, attempt, kept).await.map(|(retired, _)| retired),
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
    pub(super) async fn retire(&self, id: &str) -> Result<(), CallFault> {
        Calls::new(self).map_err(CallFault::Away)?.retire(id).await
    }
}

impl CallFault {
    /// What is told of it.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Refused(reason) | Self::Away(reason) | Self::Unknown(reason) => reason,
        }
    }

    /// Of a call that was answered with a status that is no success, and that changes nothing then.
    fn of_status(call: &str, status: StatusCode) -> Self {
        let reason = format!("the provider answered `{call}` with status {}", status.as_u16());
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => Self::Away(reason),
            _ if status.is_client_error() => Self::Refused(reason),
            _ => Self::Away(reason),
        }
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
        let answer = self.ask(&create.call, attempt).await.map_err(not_created)?;
        let status = answer.status;
        if status.is_client_error() {
            return Err(CallFault::of_status("create", status));
        }
        if !status.is_success() {
            // A redirect too may come behind a key that was made.
            return Err(CallFault::Unknown(CallFault::of_status("create", status).reason()));
        }
        let body: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| CallFault::Unknown("the answer to `create` is no JSON".to_owned()))?;
        let id = create.id.as_ref().map(|place| id_at(&body, place).ok_or("the answer to `create` has no id at `id`"));
        let secret = secret_at(&body, &create.take).ok_or("the answer to `create` has no secret at `take`");
        match (secret, id.transpose()) {
            // It would be told in the log.
            (Ok(secret), Ok(Some(id))) if constant_time_eq(id.as_bytes(), secret.expose()) => {
                Err(CallFault::Unknown("the answer to `create` has the secret itself at `id`".to_owned()))
            }
            (Ok(secret), Ok(id)) => Ok(Made { secret, id }),
            // Whose key this id is, nobody knows: a provider that makes none where there is one tells the one in use, without its secret.
            (Err(fault), Ok(_)) | (_, Err(fault)) => Err(CallFault::Unknown(fault.to_owned())),
        }
    }

    /// Tells off all keys of an attempt; tells how many that were, and how many are left.
    async fn sweep(&self, list: &ListCall, attempt: &str, kept: &[&str]) -> Result<(usize, usize), CallFault> {
        let senseless = |reason: &str| CallFault::Away(reason.to_owned());
        if attempt.is_empty() {
            // It is in every name.
            return Err(senseless("the attempt has no name"));
        }
        let answer = self.ask(&list.call, attempt).await.map_err(|error| CallFault::Away(told("list", error)))?;
        if !answer.status.is_success() {
            return Err(CallFault::of_status("list", answer.status));
        }
        let body: Value =
            serde_json::from_slice(&answer.body).map_err(|_| senseless("the answer to `list` is no JSON"))?;
        let items = body.pointer(&list.items).and_then(Value::as_array);
        let items = items.ok_or_else(|| senseless("the answer to `list` has no keys at `items`"))?;
        let mut retired = 0;
        for item in items {
            let name = item.pointer(&list.name).and_then(Value::as_str).unwrap_or_default();
            if name.contains(attempt) {
                let id = id_at(item, &list.id);
                let id = id.ok_or_else(|| senseless("a key in the answer to `list` has no id at `id`"))?;
                // A provider may give a new name to the key that it had.
                if kept.contains(&id.as_str()) {
                    continue;
                }
                self.retire(&id).await?;
                log::warn!("a key that was made in an attempt that did not come to its end is retired: {id}");
                retired += 1;
            }
        }
        Ok((retired, items.len() - retired))
    }

    async fn retire(&self, id: &str) -> Result<(), CallFault> {
        let none = || CallFault::Refused("no call is configured that retires it".to_owned());
        let call = self.provider.retire.as_ref().ok_or_else(none)?;
        let answer = self.ask(call, id).await.map_err(|error| CallFault::Away(told("retire", error)))?;
        let is_gone = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE);
        match answer.status.is_success() || is_gone {
            true => Ok(()),
            false => Err(CallFault::of_status("retire", answer.status)),
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

/// What is known of a new key where there is no answer to `create`.
fn not_created(error: NetError) -> CallFault {
    let reason = told("create", error);
    match error {
        NetError::Timeout | NetError::Interrupted | NetError::TooLarge | NetError::Redirect | NetError::Status(_) => {
            CallFault::Unknown(reason)
        }
        NetError::Name | NetError::Connect => CallFault::Away(reason),
        NetError::Authorities
        | NetError::Identity
        | NetError::Setup
        | NetError::Url
        | NetError::Scheme
        | NetError::Address => CallFault::Refused(reason),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_never_reached_the_provider_has_made_no_key_for_sure() {
        for (error, is_unknown) in [
            (NetError::Timeout, true),
            (NetError::Redirect, true),
            (NetError::Status(502), true),
            (NetError::Connect, false),
            (NetError::Url, false),
        ] {
            assert_eq!(matches!(not_created(error), CallFault::Unknown(_)), is_unknown, "{error:?}");
        }
    }
}
