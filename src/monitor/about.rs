//! Who or what a record is about, as alerts name it.

use super::alert::{Actor, Subject};
use super::seen::shown;
use crate::audit::Record;
use crate::domain::Principal;

/// Whose it is, where that is somebody in particular.
fn proved(record: &Record) -> Option<&Principal> {
    record.principal.as_deref().filter(|principal| !principal.is_anonymous())
}

fn principal_name(record: &Record) -> String {
    record.principal.as_ref().map(|principal| principal.name()).unwrap_or_default()
}

pub(super) fn principal_of(record: &Record) -> Subject {
    Subject::Principal(principal_name(record))
}

pub(super) fn principal_on_route(record: &Record) -> Subject {
    match &record.route {
        Some(route) => Subject::PrincipalOnRoute(principal_name(record), route.clone()),
        None => principal_of(record),
    }
}

pub(super) fn principal_or_address(record: &Record) -> Subject {
    match proved(record) {
        Some(_) => principal_of(record),
        None => Subject::Address(shown(record.client)),
    }
}

pub(super) fn session_of(record: &Record) -> Subject {
    let session = record.principal.as_ref().and_then(|principal| principal.session.as_ref());
    session.map_or_else(|| principal_of(record), |session| Subject::Session(session.id, principal_name(record)))
}

pub(super) fn route_of(record: &Record) -> Subject {
    record.route.clone().map_or(Subject::Part("gateway"), Subject::Route)
}

pub(super) fn actor_of(record: &Record) -> Option<Actor> {
    let principal = proved(record)?;
    let session = principal.session.as_ref().map(|session| session.id);
    Some(Actor { authenticator: principal.authenticator.clone(), id: principal.id.clone(), session })
}
