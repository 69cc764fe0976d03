//! What the content of a response goes through: the scrubber of injected secrets first, then the search for what must not leave.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pingora::http::ResponseHeader;

use super::admission::Admission;
use super::failure;
use crate::domain::{Denial, Withheld};
use crate::inject::needles::{Needles, Scrubber};
use crate::inspect::{LeakCounts, LeakField, LeakProfile, LeakScanner};

/// What is looked for in a response.
#[derive(Debug, Clone)]
pub(super) struct Sought {
    pub(super) needles: Option<Arc<Needles>>,
    pub(super) leaks: Option<Arc<LeakProfile>>,
    /// Whether it tells of an error, so that details of errors are looked for.
    pub(super) is_error: bool,
}

/// One text under way.
#[derive(Debug)]
pub(super) struct Sieve {
    scrubber: Option<Scrubber>,
    leaks: Option<Box<LeakScanner>>,
}

/// What was found: injected secrets, what must not leave, and whether nothing may go on for that.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Findings {
    pub(super) reflected: u64,
    pub(super) leaked: LeakCounts,
    pub(super) is_blocked: bool,
}

pub(super) const LEAK: Denial = Denial::Withheld(Withheld::Leak);

impl Sought {
    /// What is looked for in the responses of an exchange; none where that is nothing.
    pub(super) fn of(admission: &Admission, status: Option<StatusCode>) -> Option<Self> {
        let needles = admission.injection.as_ref().map(|injection| injection.needles());
        let needles = needles.filter(|needles| !needles.is_empty()).cloned();
        let leaks = admission.route.leak.clone();
        let is_error = status.is_some_and(|status| status.as_u16() >= 400);
        (needles.is_some() || leaks.is_some()).then_some(Self { needles, leaks, is_error })
    }

    /// A text of which nothing has come.
    pub(super) fn sieve(&self) -> Sieve {
        Sieve {
            scrubber: self.needles.clone().map(Scrubber::new),
            leaks: self.leaks.clone().map(|profile| Box::new(LeakScanner::new(profile, self.is_error))),
        }
    }
}

impl Sieve {
    /// Takes what has come and returns what may go on; what may be the beginning of something is kept until more comes, or the end.
    pub(super) fn push(&mut self, chunk: Bytes, end: bool) -> Bytes {
        let scrubbed = match &mut self.scrubber {
            Some(scrubber) => scrubber.push(chunk, end),
            None => chunk,
        };
        match &mut self.leaks {
            Some(leaks) => leaks.push(scrubbed, end),
            None => scrubbed,
        }
    }

    pub(super) fn findings(&self) -> Findings {
        Findings {
            reflected: self.scrubber.as_ref().map_or(0, Scrubber::found),
            leaked: self.leaks.as_deref().map(LeakScanner::counts).unwrap_or_default(),
            is_blocked: self.leaks.as_deref().is_some_and(LeakScanner::is_blocked),
        }
    }
}

impl Findings {
    pub(super) fn add(&mut self, others: &Self) {
        self.reflected += others.reflected;
        self.leaked.add(&others.leaked);
        self.is_blocked |= others.is_blocked;
    }
}

/// Masks the secrets in the fields of a response.
///
/// # Errors
/// [`Withheld::Leak`], where the response is refused for one.
pub(super) fn mask_fields(admission: &mut Admission, head: &mut ResponseHeader) -> pingora::Result<()> {
    for (name, values) in masked_fields(admission, &head.headers).map_err(failure::carry)? {
        head.remove_header(&name);
        for value in values {
            head.append_header(name.clone(), value)?;
        }
    }
    Ok(())
}

/// The same for trailers.
///
/// # Errors
/// The same.
pub(super) fn mask_trailers(admission: &mut Admission, trailers: &mut HeaderMap) -> pingora::Result<()> {
    for (name, values) in masked_fields(admission, trailers).map_err(failure::carry)? {
        trailers.remove(&name);
        for value in values {
            trailers.append(name.clone(), value);
        }
    }
    Ok(())
}

/// What is to become of the fields of a response or of its trailers in which a secret was found: the value that each is to have instead.
///
/// # Errors
/// [`Withheld::Leak`], where the response is refused for it.
fn masked_fields(admission: &mut Admission, fields: &HeaderMap) -> Result<Vec<(HeaderName, Vec<HeaderValue>)>, Denial> {
    let Some(profile) = &admission.route.leak else { return Ok(Vec::new()) };
    let mut changed = Vec::new();
    for name in fields.keys() {
        let mut values = Vec::new();
        let mut is_changed = false;
        for value in fields.get_all(name) {
            match profile.look_at_field(value.as_bytes(), &mut admission.leaked) {
                LeakField::Clean => values.push(value.clone()),
                LeakField::Blocked => return Err(LEAK),
                LeakField::Masked(masked) => {
                    is_changed = true;
                    values.extend(HeaderValue::from_bytes(&masked).ok());
                }
            }
        }
        if is_changed {
            changed.push((name.clone(), values));
        }
    }
    Ok(changed)
}
