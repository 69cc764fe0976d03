//! `[monitor]` and `[notify.NAME]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;
use crate::config::values::{Period, Size, Spanned, named};

/// `[monitor]`: what is looked for in the audit records, beside requests, and told in alerts: docs/monitoring.md.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct MonitorTable {
    /// Whether records are looked at. Default `true`.
    pub(in crate::config) enabled: Option<bool>,
    /// The most principals that are known, 100 to 1000000; a thousand take about 1.5 MB with the routes they use. Who is least active goes first.
    /// Takes effect at a start. Default `100000`.
    pub(in crate::config) max_principals: Option<Spanned<u32>>,
    /// A file in which what is usual outlives the process, written every ten minutes and when it ends; one for each node. Who can read it can tell
    /// whether and when somebody whose name they know was at work. Read at a start. Default: none, and a process begins with knowing nothing.
    pub(in crate::config) state: Option<Text>,
    /// What is told in another way than by default, by its name. Default: none.
    pub(in crate::config) detect: BTreeMap<Spanned<String>, DetectTable>,
}

/// `[monitor.detect.NAME]`: one of the detections of docs/monitoring.md, which tells the defaults of each, and which values it has.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct DetectTable {
    /// Whether it is looked for. Default: it is.
    pub(in crate::config) enabled: Option<bool>,
    /// How bad it is: `info`, `warning` or `critical`. Default: its own.
    pub(in crate::config) severity: Option<Text>,
    /// What is done by itself: `none`; `freeze_session`, the session is ended; `freeze_principal`, the principal is refused with all its sessions;
    /// `require_approval`, it is held until somebody approves that it goes on. All but the first need `[store]`, the last `approval` and `[access]`
    /// too. Default: none.
    pub(in crate::config) action: Option<Text>,
    /// The `[approval.NAME]` of `require_approval`: its `approvers` decide, and it takes as many as are `needed`. Default: none.
    pub(in crate::config) approval: Option<Text>,
    /// After how long who is held by `require_approval` goes on although nobody has decided, 1m to 30 days. Default: never.
    pub(in crate::config) lapse: Option<Spanned<Period>>,
    /// How long access is ended, 1s to 24h. Default: 15m.
    pub(in crate::config) freeze: Option<Spanned<Period>>,
    /// How much it takes. Default: its own.
    pub(in crate::config) at: Option<Spanned<Size>>,
    /// The span of time in which that counts together, 1s to 24h. Default: its own.
    pub(in crate::config) window: Option<Spanned<Period>>,
    /// How many times the usual it takes, 1 to 1000. Default: its own.
    pub(in crate::config) factor: Option<Spanned<u32>>,
    /// How many of a hundred requests it takes. Default: its own.
    pub(in crate::config) share: Option<Spanned<u32>>,
    /// How long is learnt what is usual before anything is told, 1m to 90 days. Default: its own.
    pub(in crate::config) learn: Option<Spanned<Period>>,
    /// How long an alert is held after it last happened, 1s to 24h. Default: its own.
    pub(in crate::config) hold: Option<Spanned<Period>>,
}

/// `[notify.NAME.KIND]`: who is told of alerts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum NotifyTable {
    /// A service that takes JSON by POST.
    Webhook(NotifyWebhookTable),
    /// A channel of Slack, or of what takes the same.
    Slack(SlackTable),
    /// Alertmanager, by its API of version 2.
    Alertmanager(AlertmanagerTable),
    /// Mail, by SMTP.
    Mail(Box<MailTable>),
}

/// `[notify.NAME.webhook]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct NotifyWebhookTable {
    /// An `https` URL, or `http` on loopback.
    pub(in crate::config) url: Text,
    /// A secret that signs what is sent, as `vault:path`: `X-Claviger-Signature` is `sha256=` and the HMAC-SHA-256 of the body in hexadecimal.
    pub(in crate::config) secret: Text,
    /// The least severity that is told. Default `warning`.
    pub(in crate::config) severity: Option<Text>,
}

/// `[notify.NAME.slack]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SlackTable {
    /// The URL of the incoming webhook, as `vault:path`: whoever knows it can write to the channel.
    pub(in crate::config) url: Text,
    /// The least severity that is told. Default `warning`.
    pub(in crate::config) severity: Option<Text>,
}

/// `[notify.NAME.alertmanager]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AlertmanagerTable {
    /// Its URL, below which is `/api/v2/alerts`: `https`, or `http` on loopback.
    pub(in crate::config) url: Text,
    /// A token that it takes, as `vault:path`. Default: none.
    pub(in crate::config) token: Option<Text>,
    /// The least severity that is told. Default `warning`.
    pub(in crate::config) severity: Option<Text>,
}

/// `[notify.NAME.mail]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MailTable {
    /// The server and its port, such as `smtp.example.com:587`.
    pub(in crate::config) server: Text,
    /// `starttls`; `tls`, from the first byte, as on port 465; or `none`, on loopback alone. Default `starttls`.
    pub(in crate::config) security: Option<Text>,
    /// A PEM file of the authorities that prove the server. Default: those of the system.
    pub(in crate::config) ca: Option<Text>,
    /// The user's name there. Default: no login.
    pub(in crate::config) user: Option<Text>,
    /// The user's password, as `vault:path`. Default: no login.
    pub(in crate::config) password: Option<Text>,
    /// The sender's address.
    pub(in crate::config) from: Text,
    /// The recipients' addresses.
    #[serde(deserialize_with = "named")]
    pub(in crate::config) to: Vec<Text>,
    /// The least severity that is told. Default `warning`.
    pub(in crate::config) severity: Option<Text>,
}
