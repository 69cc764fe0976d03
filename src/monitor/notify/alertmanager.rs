//! Alertmanager, by its API of version 2.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::post;
use crate::domain::Wiped;
use crate::monitor::alert::{Change, Notice, stamp};
use crate::net::{Client, sensitive};
use crate::vault::Slot;

/// An Alertmanager.
#[derive(Debug)]
pub struct Alertmanager {
    /// Where it takes alerts.
    pub url: String,
    /// What it is called with.
    pub client: Arc<Client>,
    /// A token that it takes.
    pub token: Option<Arc<Slot>>,
}

/// An alert that nobody speaks of again is over there: so long after it was last told, which is more often than that.
const GOES_ON: Duration = Duration::from_secs(600);

impl Alertmanager {
    pub(super) async fn tell(&self, notices: &[Notice]) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            let token = token.load().map_err(|error| error.to_string())?;
            let mut value = Wiped::with_capacity(7 + token.expose().len());
            value.extend(b"Bearer ");
            value.extend(token.expose().trim_ascii_end());
            headers.insert(AUTHORIZATION, sensitive(value).ok_or("the token can be no header")?);
        }
        post(&self.client, &self.url, headers, body(notices)).await
    }
}

/// The alerts as it knows them: labels that tell one from another, and annotations that do not.
pub(super) fn body(notices: &[Notice]) -> Bytes {
    let all: Vec<Value> = notices.iter().map(one).collect();
    Bytes::from(Value::Array(all).to_string())
}

fn one(notice: &Notice) -> Value {
    let alert = &notice.alert;
    let ends = match notice.change {
        Change::Raised | Change::Held => std::time::SystemTime::now() + GOES_ON,
        Change::Cleared => alert.cleared.unwrap_or(alert.last),
    };
    let records: Vec<_> = alert.records.iter().map(ToString::to_string).collect();
    json!({
        "labels": {
            "alertname": alert.detection.name(),
            "severity": alert.severity.text(),
            "subject": alert.subject.to_string(),
            "service": "claviger",
            "id": alert.id.to_string(),
        },
        "annotations": {
            "summary": alert.summary(),
            "evidence": alert.evidence.text(),
            "records": records.join(" "),
        },
        "startsAt": stamp(alert.since),
        "endsAt": stamp(ends),
    })
}
