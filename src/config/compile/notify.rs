//! `[notify.NAME]`.

use std::ops::Range;
use std::sync::Arc;

use super::monitor::SEVERITIES;
use super::{Compiled, Compiler};
use crate::config::file::{AlertmanagerTable, MailTable, NotifyTable, NotifyWebhookTable, SlackTable, Text};
use crate::domain::Name;
use crate::monitor::{Alertmanager, Channel, MailTo, Notifier, Severity, SignedWebhook, Slack};
use crate::net::{Client, MailSecurity, MailServer};
use crate::vault::{Slot, Vault};

const SECURITIES: [(&str, MailSecurity); 3] =
    [("starttls", MailSecurity::StartTls), ("tls", MailSecurity::Tls), ("none", MailSecurity::None)];

impl Compiler<'_, '_> {
    pub(super) fn notifier(
        &mut self,
        name: &Name,
        (_, table): (Range<usize>, NotifyTable),
        vaults: &Compiled<Arc<Vault>>,
    ) -> Option<Arc<Notifier>> {
        let (channel, severity) = match &table {
            NotifyTable::Webhook(own) => (self.signed_webhook(own, vaults), &own.severity),
            NotifyTable::Slack(own) => (self.slack(own, vaults), &own.severity),
            NotifyTable::Alertmanager(own) => (self.alertmanager(own, vaults), &own.severity),
            NotifyTable::Mail(own) => (self.mail(own, vaults), &own.severity),
        };
        let severity = self.choice(severity.as_ref(), &SEVERITIES).unwrap_or(Severity::Warning);
        // There from the start, so that the first failure is seen as a rise from zero.
        self.engines.metrics.monitor.notifier(name);
        Some(Arc::new(Notifier { name: name.clone(), severity, channel: channel? }))
    }

    fn signed_webhook(&mut self, table: &NotifyWebhookTable, vaults: &Compiled<Arc<Vault>>) -> Option<Channel> {
        let secret = self.secret_beside(&table.secret, vaults);
        let client = self.client_for(&table.url)?;
        Some(Channel::Webhook(SignedWebhook { url: table.url.get_ref().clone(), client, secret: secret? }))
    }

    fn slack(&mut self, table: &SlackTable, vaults: &Compiled<Arc<Vault>>) -> Option<Channel> {
        let (url, client) = (self.secret_beside(&table.url, vaults), self.client(table.url.span()));
        Some(Channel::Slack(Slack { url: url?, client: client? }))
    }

    fn alertmanager(&mut self, table: &AlertmanagerTable, vaults: &Compiled<Arc<Vault>>) -> Option<Channel> {
        let token = self.optional_secret(table.token.as_ref(), vaults);
        let client = self.client_for(&table.url)?;
        let url = format!("{}/api/v2/alerts", table.url.get_ref().trim_end_matches('/'));
        Some(Channel::Alertmanager(Alertmanager { url, client, token: token? }))
    }

    fn mail(&mut self, table: &MailTable, vaults: &Compiled<Arc<Vault>>) -> Option<Channel> {
        let password = self.optional_secret(table.password.as_ref(), vaults);
        let authorities = match &table.ca {
            Some(path) => Some(self.file(path)?),
            None => None,
        };
        let security = self.choice(table.security.as_ref(), &SECURITIES).unwrap_or(MailSecurity::StartTls);
        let server = MailServer::new(table.server.get_ref(), security, authorities, self.egress.clone());
        let cure = "write host and port, such as `smtp.example.com:587`; without TLS on loopback alone";
        let server = self.report.take(table.server.span(), server, cure);
        for address in std::iter::once(&table.from).chain(&table.to) {
            let cure = "write one such as `soc@example.com` or `Claviger <claviger@example.com>`";
            self.report.take(address.span(), MailServer::check_address(address.get_ref()), cure);
        }
        let login = match (&table.user, password?) {
            (Some(user), Some(password)) => Some((user.get_ref().clone(), password)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                self.report.add(table.server.span(), "half a login", "write both `user` and `password`, or none");
                None
            }
        };
        let to = table.to.iter().map(|text| text.get_ref().clone()).collect();
        Some(Channel::Mail(Box::new(MailTo { server: server?, login, from: table.from.get_ref().clone(), to })))
    }

    fn client_for(&mut self, url: &Text) -> Option<Arc<Client>> {
        let client = self.client(url.span())?;
        self.report.take(url.span(), client.check(url.get_ref()), "write an https URL, or http on loopback")?;
        Some(client)
    }

    #[expect(clippy::option_option, reason = "wrong and left out are two things")]
    fn optional_secret(&mut self, text: Option<&Text>, vaults: &Compiled<Arc<Vault>>) -> Option<Option<Arc<Slot>>> {
        match text {
            Some(text) => self.secret_beside(text, vaults).map(Some),
            None => Some(None),
        }
    }
}
