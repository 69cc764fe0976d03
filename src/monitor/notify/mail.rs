//! Mail for people.

use std::fmt::Write as _;
use std::sync::Arc;

use super::line;
use crate::monitor::alert::{Notice, stamp};
use crate::net::{Mail, MailServer};
use crate::vault::Slot;

/// Who gets mail, by which server.
#[derive(Debug)]
pub struct MailTo {
    /// The server.
    pub server: MailServer,
    /// The user's name and password there.
    pub login: Option<(String, Arc<Slot>)>,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
}

impl MailTo {
    pub(super) async fn tell(&self, notices: &[Notice]) -> Result<(), String> {
        let login = match &self.login {
            Some((user, password)) => Some((user, password.load().map_err(|error| error.to_string())?)),
            None => None,
        };
        let login = login.as_ref().map(|(user, password)| (user.as_str(), &**password));
        let mail = Mail { from: &self.from, to: &self.to, subject: &subject(notices), text: text(notices) };
        self.server.send(&mail, login).await
    }
}

fn subject(notices: &[Notice]) -> String {
    let first = notices.first().map(line).unwrap_or_default();
    let more = notices.len().saturating_sub(1);
    if more == 0 { format!("[claviger] {first}") } else { format!("[claviger] {first} (and {more} more)") }
}

fn text(notices: &[Notice]) -> String {
    let mut text = String::new();
    for notice in notices {
        let alert = &notice.alert;
        // Writing to a text cannot fail.
        let _ =
            writeln!(text, "{}\nalert {}, since {}, {} times", line(notice), alert.id, stamp(alert.since), alert.times);
        for record in &alert.records {
            let _ = writeln!(text, "  record {record}");
        }
        text.push('\n');
    }
    text
}
