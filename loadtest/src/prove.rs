//! What a proxy has to have done before it is measured: the same proof for everybody who claims the same job.

use crate::fault::Fault;
use crate::site::{PATH, Proxy, REAL_KEY, Site};
use crate::token::Flaw;
use crate::upstream::{REFLECT, SPACER};

/// Proves that a request comes to the upstream with what it carries.
pub(crate) fn passes_through(site: &Site, proxy: &Proxy) -> Result<(), Fault> {
    let name = proxy.program.name();
    let seen = reflected(site, proxy)?;
    expect(&seen, "HTTP/1.1 200", &format!("{name} did not pass a request through"))?;
    expect(&seen, site.token(), &format!("{name} lost the token"))
}

/// Proves the whole job: a good token's request comes to the upstream with the upstream's key and without the token; whatever else may be
/// presented is refused, and the upstream sees nothing of it.
pub(crate) fn does_the_whole_job(site: &Site, proxy: &Proxy) -> Result<(), Fault> {
    let name = proxy.program.name();
    let seen = reflected(site, proxy)?;
    expect(&seen, "HTTP/1.1 200", &format!("{name} did not let an allowed request through"))?;
    expect(&seen, &format!("Bearer {REAL_KEY}"), &format!("{name} did not bring the real key to the upstream"))?;
    if seen.contains(site.token()) {
        return Err(Fault::new(format!("{name} let the caller's token through to the upstream")));
    }
    let before = site.counts()?.requests;
    refuses(site, proxy, "a request without a token", PATH, None, &[401])?;
    for (flaw, what, statuses) in [
        (Flaw::OtherIssuer, "a token of another issuer", &[401][..]),
        // Envoy knows who calls, and says 403.
        (Flaw::OtherAudience, "a token for another audience", &[401, 403]),
        (Flaw::Expired, "a token that expired", &[401]),
        (Flaw::NotYet, "a token of the future", &[401]),
        (Flaw::Forged, "a forged token", &[401]),
        (Flaw::OtherRole, "somebody without the role", &[403]),
    ] {
        let token = site.issuer().token("mallory@example.test", flaw)?;
        refuses(site, proxy, what, PATH, Some(&format!("Authorization: Bearer {token}")), statuses)?;
    }
    refuses(site, proxy, "what no rule allows", "/api/v1/secrets", Some(&site.authorization()), &[403])?;
    match site.counts()?.requests - before {
        0 => Ok(()),
        come => Err(Fault::new(format!("{name} refused all that it should, and {come} of it came to the upstream"))),
    }
}

fn reflected(site: &Site, proxy: &Proxy) -> Result<String, Fault> {
    let answer = site.get(proxy.address, &format!("{PATH}{REFLECT}"), Some(&site.authorization()))?;
    Ok(answer.replace(SPACER, ""))
}

fn refuses(
    site: &Site,
    proxy: &Proxy,
    what: &str,
    path: &str,
    field: Option<&str>,
    statuses: &[u16],
) -> Result<(), Fault> {
    let answer = site.get(proxy.address, path, field)?;
    if status(&answer).is_some_and(|status| statuses.contains(&status)) {
        return Ok(());
    }
    let name = proxy.program.name();
    Err(Fault::new(format!("{name} did not refuse {what} with {statuses:?}; it answered:\n{answer}")))
}

/// The status of a response.
pub(crate) fn status(response: &str) -> Option<u16> {
    response.get(9..12).and_then(|status| status.parse().ok())
}

pub(crate) fn expect(response: &str, part: &str, otherwise: &str) -> Result<(), Fault> {
    if response.contains(part) { Ok(()) } else { Err(Fault::new(format!("{otherwise}; it answered:\n{response}"))) }
}
