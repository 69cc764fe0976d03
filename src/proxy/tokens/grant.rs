//! What is asked for, how much of it is granted, and how that is told.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::form::Form;
use crate::authz::Roles;
use crate::domain::{AuthnFault, Bounds, Denial, Methods, Name, OauthFault, Principal, Unavailable};
use crate::session::{NewSession, Session, SessionFault};
use crate::state::{Snapshot, TokenService};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

const INVALID: Denial = Denial::TokenRequest(OauthFault::InvalidRequest);

/// The token that is handed in to be exchanged (RFC 8693 §2.1). What it cannot be exchanged for is asked for in vain.
pub(super) fn subject_token(form: &Form) -> Result<&str, Denial> {
    let is_one = |name: &str, known: &[&str]| form.get(name).is_some_and(|kind| known.contains(&kind));
    let is_wanted = form.get("requested_token_type").is_none() || is_one("requested_token_type", &[ACCESS_TOKEN, JWT]);
    let acts_for_another = form.get("actor_token").is_some() || form.get("actor_token_type").is_some();
    if !is_one("subject_token_type", &[ACCESS_TOKEN, JWT, ID_TOKEN]) || !is_wanted || acts_for_another {
        return Err(INVALID);
    }
    form.get("subject_token").ok_or(INVALID)
}

/// The session that is asked for, of no more than the proof confers and for no longer than it holds.
pub(super) fn wanted(
    form: &Form,
    service: &TokenService,
    snapshot: &Snapshot,
    mut principal: Principal,
    now: SystemTime,
) -> Result<NewSession, Denial> {
    if ["resource", "audience"].iter().any(|name| form.get(name).is_some_and(|asked| asked != service.issuer)) {
        return Err(Denial::TokenRequest(OauthFault::InvalidTarget));
    }
    if let Some(asked) = form.words("scope") {
        let has = |scope: &&str| principal.scopes.iter().any(|one| **one == **scope);
        if !asked.iter().all(has) {
            return Err(Denial::TokenRequest(OauthFault::InvalidScope));
        }
        principal.scopes = asked.into_iter().map(Arc::from).collect();
    }
    let all = service.roles.of(&principal);
    let asked = form.words("roles");
    let is_long = |name: &str| form.words(name).is_some_and(|words| words.len() > Bounds::MAX_NAMES);
    if ["roles", "routes", "methods"].into_iter().any(is_long) {
        return Err(INVALID);
    }
    if asked.iter().flatten().any(|role| !all.iter().any(|one| **one == **role)) {
        return Err(Denial::TokenRequest(OauthFault::InvalidScope));
    }
    let bounds = Bounds {
        roles: asked.map(|roles| roles.into_iter().map(Arc::from).collect()),
        routes: routes(form, snapshot)?,
        methods: methods(form)?,
        uses: uses(form)?,
    };
    let roles = bounds.roles.clone().unwrap_or(all);
    let times = service.roles.times(&roles);
    let asked = form.get("expires_in").map(|text| text.parse::<u64>().ok().filter(|seconds| *seconds > 0));
    let asked = asked.map(|seconds| seconds.map(Duration::from_secs).ok_or(INVALID)).transpose()?;
    let lasts = [asked, times.max].into_iter().flatten().fold(service.max, Duration::min);
    let until = principal.expires.map_or(now + lasts, |end| end.min(now + lasts));
    if until <= now {
        // By a clock that was put back meanwhile it is not over yet.
        return Err(Denial::Unauthenticated(AuthnFault::Expired));
    }
    let idle = [service.idle, times.idle].into_iter().flatten().min();
    Ok(NewSession { principal, bounds, roles, idle, until })
}

fn routes(form: &Form, snapshot: &Snapshot) -> Result<Option<Vec<Name>>, Denial> {
    let Some(words) = form.words("routes") else { return Ok(None) };
    let named = words.into_iter().map(|word| Name::parse(word).ok().filter(|name| snapshot.router.has(name)));
    named.collect::<Option<Vec<_>>>().map(Some).ok_or(Denial::TokenRequest(OauthFault::InvalidTarget))
}

fn methods(form: &Form) -> Result<Option<Methods>, Denial> {
    let Some(words) = form.words("methods") else { return Ok(None) };
    let mut set = Methods::NONE;
    for word in words {
        let method = Methods::of(word);
        if method == Methods::NONE {
            return Err(INVALID);
        }
        set = set.union(method);
    }
    Ok(Some(set))
}

fn uses(form: &Form) -> Result<Option<u32>, Denial> {
    let Some(text) = form.get("uses") else { return Ok(None) };
    text.parse().ok().filter(|uses| (1..=Bounds::MAX_USES).contains(uses)).map(Some).ok_or(INVALID)
}

/// What answers a request for a token (RFC 6749 §5.1, RFC 8693 §2.2.1).
pub(super) fn response(form: &Form, session: &Session, token: String, now: SystemTime) -> Value {
    let mut told = json!({
        "access_token": token,
        "token_type": token_type(session),
        "expires_in": session.seconds_left(now),
        "scope": session.scope(),
    });
    if form.get("subject_token").is_some() {
        told["issued_token_type"] = ACCESS_TOKEN.into();
    }
    told
}

fn token_type(session: &Session) -> &'static str {
    if session.principal.confirmation.key.is_some() { "DPoP" } else { "Bearer" }
}

/// What is told of a session to who may know it (RFC 7662 §2.2).
pub(super) fn claims(session: &Session, issuer: &str, roles: &Roles) -> Value {
    let mut told = session.claims(&roles.of(&session.principal), issuer);
    told.insert("active".to_owned(), true.into());
    told.insert("token_type".to_owned(), token_type(session).into());
    told.insert("scope".to_owned(), session.scope().into());
    Value::Object(told)
}

/// Why there is no session, for its caller.
pub(in crate::proxy) fn denial(fault: &SessionFault) -> Denial {
    match fault {
        SessionFault::TooMany => Denial::TooManySessions,
        SessionFault::Away(_) => Denial::Unavailable(Unavailable::Cluster),
        SessionFault::Spent => Denial::Unauthenticated(AuthnFault::Spent),
        SessionFault::Closed | SessionFault::Store(_) => {
            log::error!("a session cannot be begun or ended: {fault}");
            Denial::Unavailable(Unavailable::Authenticator)
        }
    }
}
