//! One decision, step by step: each asked of the code that serves, in the order of `proxy::pipeline`.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use http::Method;

use super::Configuration;
use super::explained::{Explained, Passed, RuleTold, Verdict};
use super::question::{Caller, Question};
use crate::authz::{Permit, RuleApproval, Unauthorized};
use crate::domain::{AuthnFault, Denial, HttpFault, Id, Methods, Name, Principal, RequestView};
use crate::proxy::{Arrival, Identified, identify, judge, verdict};
use crate::session::Grant;
use crate::state::{LimitBy, Route, Snapshot};
use crate::target::Target;

/// How long keys of issuers are waited for.
const PRIMED_WITHIN: Duration = Duration::from_secs(5);

impl Configuration {
    /// Finds out what is needed to prove callers by what they present: the keys of issuers.
    pub async fn prime(&self) {
        let _ = tokio::time::timeout(PRIMED_WITHIN, self.engines.authenticators.prime()).await;
    }

    /// What becomes of a request, and why.
    pub async fn explain(&self, question: &Question) -> Explained {
        let mut told = Explained::new(&question.method, &question.url);
        match decide(&self.snapshot, question, &mut told).await {
            Ok(Decided::Own(what)) => {
                told.verdict = Verdict::Own;
                told.because = format!("the gateway answers itself: {what}");
            }
            Ok(Decided::Permit(permit)) => told.permitted(&permit),
            Err(denial) => told.denied(&denial),
        }
        told
    }
}

enum Decided {
    Own(&'static str),
    Permit(Permit),
}

async fn decide(snapshot: &Snapshot, question: &Question, told: &mut Explained) -> Result<Decided, Denial> {
    let method = Method::from_bytes(question.method.as_bytes()).map_err(|_| Denial::Malformed(HttpFault::Method))?;
    let headers = question.caller.headers();
    let arrival = Arrival::at(&method, &question.url, &headers);
    let request = identify(&arrival)?;
    told.host = Some(request.host.to_string());
    told.path = Some(request.path.as_str().to_owned());
    if let Some(what) = own(snapshot, &request) {
        return Ok(Decided::Own(what));
    }
    let found = snapshot.router.find(&request.host, &request.path, &method);
    told.passed_over = passed_over(snapshot, &request, &method, found.as_ref().ok().map(|route| &***route));
    let route = found?;
    told.route = Some(route.name.to_string());
    told.authn = route.authn.names().map(str::to_owned).collect();
    told.limits = route.limits.iter().map(|limit| format!("{} (by {})", limit.name, by(limit.by))).collect();
    let path = route.check_form(&request.path, request.websocket, request.content_length)?;
    told.rules_path = Some(path.as_str().to_owned());
    let view = RequestView {
        method: &method,
        host: &request.host,
        path: &path,
        headers: &headers,
        client: question.client,
        peer: question.client,
        is_tls: !question.url.starts_with("http://"),
        authority: request.authority,
        asked: &request.path,
        query: request.query,
        target: request.target,
        has_body: false,
        certificates: None,
    };
    let principal = prove(route, question, &view).await?;
    told.proved(&principal, &route.policy.roles().of(&principal));
    if principal.session.as_ref().is_some_and(|session| !session.bounds.admit(&route.name, method.as_str())) {
        told.notes.push("the session is confined to other routes or methods".to_owned());
        return Err(Denial::NotAllowed);
    }
    told.rules = route.policy.trace(&principal, &view, question.time).iter().map(RuleTold::of).collect();
    told.inspect = route
        .inspecting
        .as_ref()
        .map(|one| format!("{} ({})", one.name, if one.enforces() { "enforce" } else { "shadow" }));
    let permit = authorize(route, principal, &view, question)?;
    let credential = route.credential.as_ref();
    if credential.is_some_and(|credential| credential.is_canary()) {
        return Err(Denial::Canary);
    }
    if let Some(inspecting) = &route.inspecting {
        // What comes in a body is not known here; of those that have none, all is.
        let report = judge(route, inspecting, &RequestView { has_body: has_body(&method), ..view }, None);
        told.notes.extend(report.fault.iter().map(|fault| format!("inspection: {fault}")));
        told.notes.extend(report.findings.iter().map(|one| format!("inspection: {} at {}", one.rule, one.at)));
        verdict(inspecting, &report)?;
    }
    told.credential = credential.map(|credential| credential.name().to_string());
    told.target = Some(route.target.settings().name.to_string());
    told.upstream = Some(upstream(&route.target, path.as_str()));
    Ok(Decided::Permit(permit))
}

/// Whether such a request comes with a body, as a rule.
fn has_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// What the gateway would answer itself.
fn own(snapshot: &Snapshot, request: &Identified<'_>) -> Option<&'static str> {
    let (host, path) = (request.host.as_str(), request.path.as_str());
    let sessions = || snapshot.sessions.as_ref().is_some_and(|service| service.endpoint(host, path).is_some());
    let access = || snapshot.access.as_ref().is_some_and(|service| service.call(host, path).is_some());
    if snapshot.issuer.as_ref().is_some_and(|issuer| issuer.publishes(host, path)) {
        Some("the keys of its own tokens")
    } else if sessions() {
        Some("the token service")
    } else if access() {
        Some("access requests")
    } else {
        None
    }
}

/// Why each other route does not take the request.
fn passed_over(snapshot: &Snapshot, request: &Identified<'_>, method: &Method, found: Option<&Route>) -> Vec<Passed> {
    let others = snapshot.router.routes().filter(|route| found.is_none_or(|found| found.name != route.name));
    let mut all: Vec<_> = others.map(|route| Passed::of(route, request, Methods::of(method.as_str()))).collect();
    all.sort_by(|a, b| (a.why, &a.route).cmp(&(b.why, &b.route)));
    all
}

/// The same with what the configuration says of them, where it is their key that proves them: any other they would not be.
fn as_configured(route: &Route, asked: &Arc<Principal>, now: SystemTime) -> Arc<Principal> {
    let Some(owner) = route.authn.key_owner(asked, now) else { return Arc::clone(asked) };
    let with = |own: &[Arc<str>], more: &[Arc<str>]| {
        let more = more.iter().filter(|one| !own.contains(one));
        own.iter().chain(more).cloned().collect()
    };
    let (roles, scopes) = (with(&owner.roles, &asked.roles), with(&owner.scopes, &asked.scopes));
    Arc::new(Principal { roles, scopes, ..Principal::clone(owner) })
}

async fn prove(route: &Route, question: &Question, view: &RequestView<'_>) -> Result<Arc<Principal>, Denial> {
    match &question.caller {
        Caller::Proved(principal) if route.authn.takes(principal) => Ok(as_configured(route, principal, question.time)),
        // What proves them means nothing here.
        Caller::Proved(_) => Err(Denial::Unauthenticated(AuthnFault::UnknownKey)),
        Caller::Nobody | Caller::Presents(_) => {
            route.authn.authenticate(view, question.time).await.map(|proof| proof.principal)
        }
    }
}

fn authorize(
    route: &Route,
    principal: Arc<Principal>,
    view: &RequestView<'_>,
    question: &Question,
) -> Result<Permit, Denial> {
    let granted = |_: &Principal, approval: &RuleApproval| {
        question.granted.contains(&approval.name).then(|| Arc::new(grant(&approval.name, question)))
    };
    route.policy.authorize(principal, view, question.time, granted).map_err(
        |Unauthorized { approval }| match approval {
            None => Denial::NotAllowed,
            Some(_) => Denial::ApprovalNeeded,
        },
    )
}

/// A grant that is taken to be held.
fn grant(approval: &Name, question: &Question) -> Grant {
    Grant {
        id: Id([0; 16]),
        approval: approval.clone(),
        actor: None,
        bounds: crate::domain::Bounds::default(),
        exact: None,
        is_counted: false,
        until: question.time,
    }
}

fn by(by: LimitBy) -> &'static str {
    match by {
        LimitBy::Client => "client",
        LimitBy::Principal => "principal",
        LimitBy::Route => "route",
    }
}

fn upstream(target: &Target, path: &str) -> String {
    format!("{}{}{path}", target.settings().origin, target.settings().base_path)
}
