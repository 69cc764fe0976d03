//! What the claims must say, and the principal that they then make.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::domain::{AuthnFault, Principal, PrincipalKind};

use super::confirmation;
use super::jwt::{JwtSettings, KindSource};

/// A principal, and the time in which its token proves it.
pub(super) struct Proof {
    pub(super) principal: Arc<Principal>,
    /// The first moment.
    pub(super) from: SystemTime,
    /// The moment at which it is over.
    pub(super) until: SystemTime,
}

/// The most roles or scopes that one token may carry, and the most bytes that each may have.
pub(super) const MAX_NAMES: usize = 256;
pub(super) const MAX_NAME: usize = 128;
/// The end of the year 9999, in seconds: times beyond it mean "never" and would not fit a `SystemTime` everywhere.
const END_OF_TIME: f64 = 253_402_300_799.0;

/// Checks every claim (RFC 7519 §4.1) of what this key signed against the settings, at this time.
pub(super) fn check(
    settings: &JwtSettings,
    claims: &Map<String, Value>,
    key: Option<&Arc<str>>,
    now: SystemTime,
) -> Result<Proof, AuthnFault> {
    if claims.get("iss").and_then(Value::as_str).ok_or(AuthnFault::Claim)? != settings.issuer {
        return Err(AuthnFault::Issuer);
    }
    check_audience(&settings.audiences, claims.get("aud"))?;
    let (from, until) = check_times(claims, settings.leeway, now)?;
    let id = claims.get(&settings.id_claim).and_then(Value::as_str).ok_or(AuthnFault::Claim)?;
    if !Principal::is_valid_id(id) {
        return Err(AuthnFault::Claim);
    }
    if settings.is_access_token_profile {
        check_profile(claims)?;
    }
    let roles = settings.roles_claim.as_deref().and_then(|path| find(claims, path));
    let mut roles = names(roles, Single::OneName)?;
    if let Some(prefix) = &settings.roles_prefix {
        roles = roles.iter().filter_map(|role| role.strip_prefix(&**prefix)).map(Arc::from).collect();
        roles.retain(|role: &Arc<str>| !role.is_empty());
    }
    let principal = Arc::new(Principal {
        roles,
        scopes: names(claims.get(&settings.scopes_claim), Single::SpaceSeparated)?,
        expires: Some(until),
        actor: actor(claims)?,
        confirmation: confirmation::read(claims.get("cnf"))?,
        key: key.cloned(),
        ..Principal::new(settings.name.clone(), kind(&settings.kind, claims)?, id.to_owned())
    });
    Ok(Proof { principal, from, until })
}

/// What RFC 9068 §2.2 requires besides what is always checked. `sub` stands beside another claim that may be the id.
fn check_profile(claims: &Map<String, Value>) -> Result<(), AuthnFault> {
    let is_text = |name: &str| claims.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let has_all = ["sub", "client_id", "jti"].into_iter().all(is_text) && claims.contains_key("iat");
    if has_all { Ok(()) } else { Err(AuthnFault::Claim) }
}

/// Who acts for the principal: the `sub` of the outermost `act` (RFC 8693 §4.1). Those nested in it acted earlier, and decide nothing.
pub(super) fn actor(claims: &Map<String, Value>) -> Result<Option<Arc<str>>, AuthnFault> {
    let Some(act) = claims.get("act") else { return Ok(None) };
    let subject = act.as_object().and_then(|act| act.get("sub")).and_then(Value::as_str);
    let subject = subject.filter(|subject| Principal::is_valid_id(subject)).ok_or(AuthnFault::Claim)?;
    Ok(Some(Arc::from(subject)))
}

pub(super) fn kind(source: &KindSource, claims: &Map<String, Value>) -> Result<PrincipalKind, AuthnFault> {
    match source {
        KindSource::Fixed(kind) => Ok(*kind),
        // Without it nobody is taken for a person.
        KindSource::Claim(path) => {
            find(claims, path).and_then(Value::as_str).and_then(PrincipalKind::parse).ok_or(AuthnFault::Claim)
        }
    }
}

pub(super) fn check_audience(audiences: &[String], claim: Option<&Value>) -> Result<(), AuthnFault> {
    let is_ours = |text: &str| audiences.iter().any(|audience| audience == text);
    let matches = match claim {
        Some(Value::String(one)) => is_ours(one),
        Some(Value::Array(many)) => {
            let many: Option<Vec<&str>> = many.iter().map(Value::as_str).collect();
            many.ok_or(AuthnFault::Claim)?.into_iter().any(is_ours)
        }
        Some(_) | None => return Err(AuthnFault::Claim),
    };
    if matches { Ok(()) } else { Err(AuthnFault::Audience) }
}

/// `exp` is needed; `nbf` and `iat` only have to be right when they are there.
fn check_times(
    claims: &Map<String, Value>,
    leeway: Duration,
    now: SystemTime,
) -> Result<(SystemTime, SystemTime), AuthnFault> {
    let expires = time(claims, "exp")?.ok_or(AuthnFault::Claim)?;
    let until = expires.checked_add(leeway).ok_or(AuthnFault::Claim)?;
    let from = match time(claims, "nbf")? {
        Some(not_before) => not_before.checked_sub(leeway).unwrap_or(UNIX_EPOCH),
        None => UNIX_EPOCH,
    };
    time(claims, "iat")?;
    if now >= until {
        Err(AuthnFault::Expired)
    } else if now < from {
        Err(AuthnFault::NotYetValid)
    } else {
        Ok((from, until))
    }
}

/// A NumericDate (RFC 7519 §2), where the claim is there. What lies outside 1970 to 9999 counts as that bound.
pub(super) fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<SystemTime>, AuthnFault> {
    let Some(claim) = claims.get(name) else { return Ok(None) };
    let seconds = claim.as_f64().filter(|seconds| seconds.is_finite()).ok_or(AuthnFault::Claim)?;
    let since = Duration::try_from_secs_f64(seconds.clamp(0.0, END_OF_TIME)).map_err(|_| AuthnFault::Claim)?;
    UNIX_EPOCH.checked_add(since).ok_or(AuthnFault::Claim).map(Some)
}

/// The claim of exactly this name, or else the one that a dotted path leads to (`realm_access.roles`). Names of claims that are URLs hold
/// dots themselves.
pub(super) fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(claim) = claims.get(path) {
        return Some(claim);
    }
    let (first, rest) = path.split_once('.')?;
    rest.split('.').try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name))
}

/// What a claim means that is one text and not an array of them.
#[derive(Clone, Copy)]
pub(super) enum Single {
    /// One name.
    OneName,
    /// Names with spaces between (RFC 6749 §3.3).
    SpaceSeparated,
}

/// The names in a claim, none where it is absent.
pub(super) fn names(claim: Option<&Value>, single: Single) -> Result<Vec<Arc<str>>, AuthnFault> {
    let texts: Vec<&str> = match (claim, single) {
        (None, _) => Vec::new(),
        (Some(Value::String(one)), Single::OneName) if one.contains([' ', ',']) => return Err(AuthnFault::Claim),
        (Some(Value::String(one)), Single::OneName) => vec![one],
        (Some(Value::String(many)), Single::SpaceSeparated) => {
            many.split(' ').filter(|name| !name.is_empty()).collect()
        }
        (Some(Value::Array(many)), _) => {
            many.iter().map(Value::as_str).collect::<Option<_>>().ok_or(AuthnFault::Claim)?
        }
        (Some(_), _) => return Err(AuthnFault::Claim),
    };
    let is_name = |name: &&str| (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
    if texts.len() <= MAX_NAMES && texts.iter().all(is_name) {
        Ok(texts.into_iter().map(Arc::from).collect())
    } else {
        Err(AuthnFault::Claim)
    }
}
