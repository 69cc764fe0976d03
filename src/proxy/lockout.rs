//! Lock-outs around authentication: by the client's address, and by what it claims to be from its network.

use std::net::IpAddr;
use std::time::Instant;

use crate::authn::Chain;
use crate::domain::{AuthnFault, Denial, Lockout, RequestView, canonical_ip};
use crate::limit::{Failed, FailureSettings, Key};
use crate::state::{Services, Snapshot};

/// Lets a request pass to be proved, by what it presents or by a token that is handed in, unless who sent it is locked out. Who presents
/// nothing guesses nothing. What comes of it is for [`settle`].
pub(super) fn check(
    services: &Services,
    snapshot: &Snapshot,
    chain: &Chain,
    view: &RequestView<'_>,
    handed_in: Option<&str>,
) -> Result<(), Denial> {
    let lockouts = &services.engines.lockouts;
    if snapshot.failures.is_none() || lockouts.are_empty() || !(handed_in.is_some() || chain.presents(view)) {
        return Ok(());
    }
    let now = Instant::now();
    let by_address = lockouts.of(Lockout::Address).check(Key::client(view.client), now);
    by_address.map_err(|wait| Denial::LockedOut(Lockout::Address, wait))?;
    let identities = lockouts.of(Lockout::Identity);
    if identities.is_empty() {
        return Ok(());
    }
    let Some(key) = identity(services, chain, view, handed_in) else { return Ok(()) };
    identities.check(key, now).map_err(|wait| Denial::LockedOut(Lockout::Identity, wait))
}

/// What is told of a request that was let pass: what it proved, or that its credential was wrong, which counts. But nothing, right or wrong, to
/// those who were locked out meanwhile: however many guess at once, they are told of no more guesses than one after the other.
pub(super) fn settle<T>(
    services: &Services,
    snapshot: &Snapshot,
    chain: &Chain,
    view: &RequestView<'_>,
    handed_in: Option<&str>,
    proved: Result<T, Denial>,
) -> Result<T, Denial> {
    if let (Err(denial), Some(settings)) = (&proved, &snapshot.failures)
        && denial.is_wrong_credential()
    {
        failed(services, settings, chain, view, handed_in, denial)?;
    } else {
        check(services, snapshot, chain, view, handed_in)?;
    }
    proved
}

/// Counts a wrong credential.
fn failed(
    services: &Services,
    settings: &FailureSettings,
    chain: &Chain,
    view: &RequestView<'_>,
    handed_in: Option<&str>,
    denial: &Denial,
) -> Result<(), Denial> {
    let identity = identity(services, chain, view, handed_in).map(|key| (Lockout::Identity, key));
    if *denial == Denial::Unauthenticated(AuthnFault::UnknownKey) && identity.is_none() {
        // A token by a key that its issuer has only just begun to use, or one that was made up, which no guess comes near.
        return Ok(());
    }
    let (now, lockouts, mut told) = (Instant::now(), &services.engines.lockouts, Ok(()));
    let address = Some((Lockout::Address, Key::client(view.client)));
    for (by, key) in address.into_iter().chain(identity) {
        match lockouts.of(by).fail(key, view.client, settings, now) {
            Failed::Counted => {}
            Failed::Begins => {
                services.engines.metrics.lockouts_total.of(by.into()).inc();
                // The identity is not told: somebody may have put a password where the name belongs.
                log::warn!(by = by.text(), client:% = view.client; "a lock-out begins after too many wrong credentials");
            }
            Failed::Late(wait) => told = told.and(Err(Denial::LockedOut(by, wait))),
        }
    }
    told
}

/// A number for the identity that a request claims and does not prove, for the monitor to tell one from another: under a key that dies with
/// the process, of no use to anybody, since somebody may have put a password where the name belongs.
pub(super) fn claimed(
    services: &Services,
    chain: &Chain,
    view: &RequestView<'_>,
    handed_in: Option<&str>,
) -> Option<u64> {
    let (sort, claimed) = handed_in.map_or_else(|| chain.claimed(view), Chain::claimed_by)?;
    Some(services.engines.limits.keyer().key(&[b"claimed", sort.as_bytes(), claimed.as_bytes()]).half())
}

/// The key of a claimed identity, with the network that claims it: by the identity alone, anybody could lock out anybody.
fn identity(services: &Services, chain: &Chain, view: &RequestView<'_>, handed_in: Option<&str>) -> Option<Key> {
    let (sort, claimed) = handed_in.map_or_else(|| chain.claimed(view), Chain::claimed_by)?;
    let network = network(view.client);
    Some(services.engines.limits.keyer().key(&[sort.as_bytes(), claimed.as_bytes(), &network]))
}

/// The /24 or /48 that an address is in.
fn network(ip: IpAddr) -> Vec<u8> {
    match canonical_ip(ip) {
        IpAddr::V4(v4) => v4.octets()[..3].to_vec(),
        IpAddr::V6(v6) => v6.octets()[..6].to_vec(),
    }
}
