//! `[access]`, and the `[approval.NAME]`s that rules wait for.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::listen::or;
use super::route::Parts;
use super::sessions::gateway_host;
use super::{Compiled, Compiler};
use crate::authn::ANONYMOUS;
use crate::authz::RuleApproval;
use crate::config::file::{AccessTable, ApprovalTable, Text, WebhookTable};
use crate::domain::Name;
use crate::state::{AccessService, Approval, Webhook};
use crate::vault::Vault;

const HOUR: Duration = Duration::from_secs(3600);
/// The longest grant.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Compiler<'_, '_> {
    pub(super) fn access(
        &mut self,
        table: &AccessTable,
        has_store: bool,
        vaults: &Compiled<Arc<Vault>>,
        parts: &Parts,
    ) -> Option<Arc<AccessService>> {
        if !has_store {
            let cure = "add `[store]` with `path`";
            self.report.add(table.url.span(), "access requests are kept in the store, and there is none", cure);
        }
        let url = table.url.get_ref().trim_end_matches('/').to_owned();
        let cure = "write an https URL without a path, such as `https://gateway.example.com`";
        let host = self.report.take(table.url.span(), gateway_host(&url), cure);
        for text in table.authn.get_ref().iter().filter(|text| text.get_ref() == ANONYMOUS) {
            self.report.add(text.span(), "nobody in particular cannot ask", "name `[authn.NAME]`s that prove somebody");
        }
        let realm = Name::parse("access").ok()?;
        let authn = self.chain(&realm, &table.authn, parts);
        let limits = self.own_limits(&realm, &table.limits, parts);
        let compiled = parts.approvals.by_name.iter();
        let approvals = compiled.filter_map(|(name, one)| Some((name.clone(), Arc::clone(one.as_ref()?))));
        let (roles, approvals) = (Arc::clone(&parts.roles), approvals.collect());
        let webhook = match &table.webhook {
            Some(webhook) => Some(self.webhook(webhook, vaults)?),
            None => None,
        };
        Some(Arc::new(AccessService {
            name: realm,
            url,
            host: host?,
            authn: authn?,
            limits,
            roles,
            approvals,
            webhook,
        }))
    }

    fn webhook(&mut self, table: &WebhookTable, vaults: &Compiled<Arc<Vault>>) -> Option<Webhook> {
        let secret = self.secret_beside(&table.secret, vaults);
        let client = self.client(table.url.span())?;
        let url = table.url.get_ref();
        self.report.take(table.url.span(), client.check(url), "write an https URL, or http on loopback")?;
        Some(Webhook { url: url.clone(), client, secret: secret? })
    }

    pub(super) fn approval(
        &mut self,
        _name: &Name,
        (_, table): (Range<usize>, ApprovalTable),
    ) -> Option<Arc<Approval>> {
        let rule = "a grant lasts 1s to 24h";
        let max = self.within(table.max.as_ref(), HOUR, Duration::from_secs(1), LONGEST, rule);
        let needed = self.positive(table.needed.as_ref()).map_or(1, std::num::NonZeroU32::get);
        Some(Arc::new(Approval {
            requesters: table.requesters,
            approvers: table.approvers,
            needed,
            max: max?,
            expires: or(table.expires, 24 * 3600),
            is_exact: table.exact,
            is_ticket_needed: table.ticket,
            break_glass: table.break_glass,
        }))
    }

    /// What a rule waits for.
    pub(super) fn rule_approval(&mut self, text: &Text, parts: &Parts) -> Option<RuleApproval> {
        if !parts.is_asked {
            let cure = "add `[access]` with `url` and `authn`";
            self.report.add(text.span(), "nobody could ask for this", cure);
        }
        let is_exact = self.find(&parts.approvals, text)?.is_exact;
        Some(RuleApproval { name: Name::parse(text.get_ref()).ok()?, is_exact })
    }
}
