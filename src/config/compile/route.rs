//! `[route.NAME]`.

use std::sync::Arc;

use http::{HeaderName, header};

use super::limit::Limit;
use super::listen::or;
use super::{Compiled, Compiler};
use crate::authn::{ANONYMOUS, Authenticator, Chain, SESSIONS, TakenSessions};
use crate::authz::{Enforcement, Grantee, Policy, Roles, Rule};
use crate::config::file::{RouteTable, RuleTable, Text};
use crate::config::read::Entries;
use crate::config::values::Spanned;
use crate::domain::{HostPattern, Methods, Name, PathPattern};
use crate::inject::{Credential, Issuer};
use crate::inspect::LeakProfile;
use crate::state::{Approval, Inspecting, Route, Router, Scrub};
use crate::target::Target;

/// What routes are made of.
pub(super) struct Parts {
    pub(super) has_store: bool,
    pub(super) targets: Compiled<Arc<Target>>,
    pub(super) credentials: Compiled<Arc<Credential>>,
    pub(super) authenticators: Compiled<Authenticator>,
    pub(super) limits: Compiled<Limit>,
    pub(super) inspecting: Compiled<Arc<Inspecting>>,
    pub(super) leaks: Compiled<Arc<LeakProfile>>,
    pub(super) roles: Arc<Roles>,
    /// The headers in which any route tells of its principal.
    pub(super) told: Vec<HeaderName>,
    /// The `[identity_token]`.
    pub(super) issuer: Option<Arc<Issuer>>,
    /// The sessions of `[sessions]`.
    pub(super) sessions: Option<TakenSessions>,
    /// Whether they were written at all, right or wrong.
    pub(super) has_sessions: bool,
    /// What rules may wait for.
    pub(super) approvals: Compiled<Arc<Approval>>,
    /// Whether there is an `[access]`.
    pub(super) is_asked: bool,
}

impl Parts {
    /// The places of all authenticators, not only of the route's: a caller may present to one route what is for another.
    pub(super) fn places(&self) -> Vec<HeaderName> {
        self.authenticators.by_name.values().flatten().flat_map(Authenticator::places).collect()
    }
}

impl Compiler<'_, '_> {
    pub(super) fn router(&mut self, tables: Entries<RouteTable>, parts: &Parts) -> (Router, usize) {
        let mut router = Router::default();
        let mut count = 0;
        for (name, entry) in tables {
            let place = entry.table.path.span();
            let Some(route) = self.route(&name, entry.table, parts) else { continue };
            count += 1;
            if let Err(overlap) = router.add(Arc::new(route)) {
                let cure = "let one of the paths cover the other, or give them different hosts or methods";
                let message = format!(
                    "route `{name}` overlaps route `{}`: a request could be meant for either",
                    overlap.with.name
                );
                self.report.add(place, message, cure);
            }
        }
        (router, count)
    }

    fn route(&mut self, name: &Name, table: RouteTable, parts: &Parts) -> Option<Route> {
        let host = self.host(table.host.as_ref());
        let path = self.pattern(&table.path);
        let methods = self.methods(&table.methods, Methods::ALL);
        let prefix = path.as_ref().and_then(|path| self.prefix(&table, path));
        let target = self.find(&parts.targets, &table.target).map(Arc::clone);
        let credential = self.route_credential(&table, parts);
        let own = credential.as_ref().and_then(|credential| credential.as_deref());
        let identity = self.identity_headers(&table.identity, own, &parts.places());
        let told = identity.as_deref().unwrap_or_default();
        let identity_token = self.identity_token(table.identity_token.as_ref(), told, own, parts);
        let authn = self.chain(name, &table.authn, parts);
        let leak = match &table.leak {
            Some(text) => self.find(&parts.leaks, text).map(|found| Some(Arc::clone(found))),
            None => Some(None),
        };
        let limits = self.route_limits(name, &table.limits, parts);
        let rules = self.rules(name, &table.allow, methods, parts);
        let enforcement = self.enforcement(table.mode.as_ref(), table.authn.get_ref(), &rules);
        let inspecting = self.route_inspecting(table.inspect.as_ref(), &parts.inspecting);
        let (authn, credential) = (authn?, credential?);
        Some(Route {
            name: name.clone(),
            host: host?,
            path: path?,
            methods,
            prefix: prefix?,
            encoded_slash: table.encoded_slash,
            is_revocation_critical: self.revocation_critical(table.revocation_critical.as_ref(), parts),
            websocket: table.websocket,
            max_body: table.max_body.map_or(10 * 1024 * 1024, |size| size.0),
            body_timeout: or(table.body_timeout, 60),
            stripped: stripped(parts, credential.as_deref()),
            authn,
            policy: Policy::compile(rules, Arc::clone(&parts.roles)).with_enforcement(enforcement?),
            limits,
            inspecting: inspecting?,
            leak: leak?,
            scrub: self.scrub(table.scrub.as_ref())?,
            credential,
            identity: identity?,
            identity_token: identity_token?,
            target_metrics: self.engines.metrics.target(&target.as_ref()?.settings().name),
            target: target?,
            metrics: self.engines.metrics.route(name),
        })
    }

    fn host(&mut self, text: Option<&Text>) -> Option<HostPattern> {
        let Some(text) = text else { return Some(HostPattern::Any) };
        let host = HostPattern::parse(text.get_ref()).map_err(|_| "not a host");
        self.report.take(text.span(), host, "write `api.example.com` or `*.example.com`, without a port")
    }

    fn pattern(&mut self, text: &Text) -> Option<PathPattern> {
        self.report.take(text.span(), PathPattern::parse(text.get_ref()), "write one such as `/v1/charges/**`")
    }

    fn prefix(&mut self, table: &RouteTable, path: &PathPattern) -> Option<String> {
        if table.keep_prefix || !path.has_rest() {
            return Some(String::new());
        }
        let prefix = path.literal_prefix();
        if prefix.is_none() {
            let cure = "write literal segments before `**`, or `keep_prefix = true`";
            self.report.add(table.path.span(), "what stands before `**` cannot be taken off: it holds `*`", cure);
        }
        prefix
    }

    fn methods(&mut self, texts: &[Text], default: Methods) -> Methods {
        if texts.is_empty() {
            return default;
        }
        let mut set = Methods::NONE;
        for text in texts {
            let method = Methods::of(text.get_ref());
            if method == Methods::NONE {
                let cure = format!("choose from {}, in upper case", Methods::ALL);
                self.report.add(text.span(), "this method is not supported", cure);
            }
            set = set.union(method);
        }
        set
    }

    /// Rules are tried out on callers who are proved alone, and never in place of people who approve.
    fn enforcement(&mut self, text: Option<&Text>, authn: &[Text], rules: &[Rule]) -> Option<Enforcement> {
        let Some(text) = text else { return Some(Enforcement::Enforce) };
        let fault = match text.get_ref().as_str() {
            "enforce" => return Some(Enforcement::Enforce),
            "shadow" if authn.iter().any(|name| name.get_ref() == ANONYMOUS) => (
                "with `anonymous`, rules that are not enforced let everybody do everything",
                "take `anonymous` out, or write `enforce`",
            ),
            "shadow" if rules.iter().any(|rule| rule.approval.is_some()) => (
                "what waits for an approval would go through without",
                "put the rules with `approval` into a route of their own, or write `enforce`",
            ),
            "shadow" => return Some(Enforcement::Shadow),
            _ => ("no such mode", "choose `enforce` or `shadow`"),
        };
        self.report.add(text.span(), fault.0, fault.1);
        None
    }

    fn scrub(&mut self, text: Option<&Text>) -> Option<Scrub> {
        let Some(text) = text else { return Some(Scrub::Strict) };
        let scrub = match text.get_ref().as_str() {
            "strict" => Ok(Scrub::Strict),
            "lenient" => Ok(Scrub::Lenient),
            _ => Err("no such way to look for secrets"),
        };
        self.report.take(text.span(), scrub, "choose `strict` or `lenient`")
    }

    /// The outer `None` stands for an error, the inner for a route without a credential.
    #[expect(clippy::option_option, reason = "wrong and absent are two things")]
    fn route_credential(&mut self, table: &RouteTable, parts: &Parts) -> Option<Option<Arc<Credential>>> {
        let Some(text) = &table.credential else { return Some(None) };
        let credential = Arc::clone(self.find(&parts.credentials, text)?);
        if credential.target().as_str() != table.target.get_ref() {
            let message = format!("this credential belongs to target `{}` and goes nowhere else", credential.target());
            self.report.add(text.span(), message, "name a credential of this route's target");
            return None;
        }
        let is_on_behalf = credential.is_own() && credential.template().is_none();
        if is_on_behalf && table.authn.get_ref().iter().any(|name| name.get_ref() == ANONYMOUS) {
            let cure = "take `anonymous` out, or name another credential";
            self.report.add(
                text.span(),
                "there is nobody on whose behalf a token could be had who presents nothing",
                cure,
            );
            return None;
        }
        if credential.template().is_some_and(|own| !own.tells_authenticators_apart())
            && !self.is_of_one_authenticator(&credential, table)
        {
            let cure = "put `{principal.authenticator}` into the path of its secret";
            let message = "an id that two authenticators know would lead to one secret, and may be two principals";
            self.report.add(text.span(), message, cure);
            return None;
        }
        Some(Some(credential))
    }

    /// Whether all routes whose callers come to these secrets by their id take one and the same authenticator.
    fn is_of_one_authenticator(&mut self, credential: &Arc<Credential>, table: &RouteTable) -> bool {
        let [only] = table.authn.get_ref().as_slice() else { return false };
        let only = only.get_ref();
        let is_other = |(one, name): &(Arc<Credential>, String)| one.shares_secrets_with(credential) && name != only;
        if only == SESSIONS || self.own.iter().any(is_other) {
            return false;
        }
        self.own.push((Arc::clone(credential), only.clone()));
        true
    }

    pub(super) fn chain(&mut self, name: &Name, list: &Spanned<Vec<Text>>, parts: &Parts) -> Option<Chain> {
        if list.get_ref().is_empty() {
            self.report.add(list.span(), "a route needs a way to prove identities", "name at least one `[authn.NAME]`");
            return None;
        }
        let found: Vec<_> = list
            .get_ref()
            .iter()
            .map(|text| match text.get_ref().as_str() {
                ANONYMOUS => Some(Authenticator::Anonymous),
                SESSIONS => self.taken_sessions(text, parts),
                _ => self.find(&parts.authenticators, text).cloned(),
            })
            .collect();
        let chain = Chain::new(found.into_iter().collect::<Option<_>>()?, name, self.engines.authenticators.dpop());
        self.report.take(list.span(), chain, "take out authenticators until each issuer has one and each key one place")
    }

    fn rules(&mut self, route: &Name, tables: &[Spanned<RuleTable>], methods: Methods, parts: &Parts) -> Vec<Rule> {
        let rules = tables.iter().enumerate().filter_map(|(nth, table)| {
            let label = format!("route.{route}.allow[{nth}]");
            self.rule(label, table, methods, parts)
        });
        rules.collect()
    }

    fn rule(&mut self, label: String, table: &Spanned<RuleTable>, methods: Methods, parts: &Parts) -> Option<Rule> {
        let (span, table) = (table.span(), table.get_ref());
        let methods = self.methods(&table.methods, methods);
        let paths: Vec<_> = table.paths.iter().filter_map(|text| self.pattern(text)).collect();
        let grantee = match (&table.role, &table.scope, &table.principal) {
            (Some(role), None, None) => Grantee::Role(role.get_ref().as_str().into()),
            (None, Some(scope), None) => Grantee::Scope(scope.get_ref().as_str().into()),
            (None, None, Some(principal)) => {
                self.member(principal, &parts.authenticators)?;
                Grantee::Principal(principal.get_ref().as_str().into())
            }
            _ => {
                let cure = "write exactly one of `role`, `scope`, `principal`; more conditions go into `scopes` and `networks`";
                self.report.add(span, "a rule says whom it allows, once", cure);
                return None;
            }
        };
        let approval = match &table.approval {
            Some(text) => Some(self.rule_approval(text, parts)?),
            None => None,
        };
        Some(Rule {
            approval,
            label: label.into(),
            grantee,
            methods,
            paths: if table.paths.is_empty() { vec![PathPattern::everything()] } else { paths },
            scopes: table.scopes.iter().map(|scope| scope.as_str().into()).collect(),
            networks: table.networks.0.clone(),
        })
    }
}

fn stripped(parts: &Parts, credential: Option<&Credential>) -> Vec<HeaderName> {
    let mut names = vec![header::AUTHORIZATION, header::PROXY_AUTHORIZATION];
    names.extend(parts.places());
    names.extend(parts.told.iter().cloned());
    names.extend(credential.into_iter().flat_map(Credential::headers));
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}
