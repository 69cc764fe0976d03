//! A request judged by what is in it, before anything is sent.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;

use crate::domain::{Denial, Inspection, RequestView};
use crate::inject::ReadBody;
use crate::inspect::{FaultKind, Head, Report};
use crate::state::{Beyond, Inspecting, Route, Services};

use super::grpc::{self, Messages};
use super::record::Draft;
use super::windows::Windows;

/// How the body of a request is looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// There is none, or nobody asks.
    None,
    /// All of it before anything is sent.
    Whole,
    /// As it passes.
    Passing,
}

/// Bodies from this size on are judged where nobody else waits for it, in bytes.
const LARGE: usize = 64 * 1024;

/// How the body of a request is looked through, by its head.
///
/// # Errors
/// [`Inspection::TooLarge`] for one that says that it is larger than may be.
pub(super) fn look(route: &Route, headers: &HeaderMap, has_body: bool, length: Option<u64>) -> Result<Look, Denial> {
    let Some(inspecting) = route.inspecting.as_ref().filter(|_| has_body) else { return Ok(Look::None) };
    if inspecting.streams_grpc && is_grpc(headers) {
        // Whoever calls may wait for an answer before the end of the body.
        return Ok(Look::Passing);
    }
    if length.is_none_or(|length| length <= inspecting.body as u64) {
        return Ok(Look::Whole);
    }
    beyond(inspecting)
}

/// What becomes of a body that is larger than what is judged whole.
///
/// # Errors
/// [`Inspection::TooLarge`] where it is refused.
pub(super) fn beyond(inspecting: &Inspecting) -> Result<Look, Denial> {
    match inspecting.beyond {
        Beyond::Reject if inspecting.enforces() => Err(Denial::Inspection(Inspection::TooLarge)),
        Beyond::Reject | Beyond::Stream => Ok(Look::Passing),
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(http::header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes().to_ascii_lowercase();
        kind.strip_prefix(b"application/grpc")
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b'-' | b';' | b' ')))
    })
}

/// Judges a request, and its body where that was read.
///
/// # Errors
/// [`Denial::Inspection`], where what was found stops it.
pub(super) async fn inspect(
    services: &Services,
    route: &Route,
    inspecting: &Arc<Inspecting>,
    view: &RequestView<'_>,
    body: Option<&ReadBody>,
    draft: &mut Draft,
) -> Result<(), Denial> {
    // One in a coding is larger than it looks.
    let is_large = |body: &&ReadBody| body.bytes().len() >= LARGE || is_coded(view.headers);
    let report = match body.filter(is_large) {
        Some(body) => {
            let _turn = services.engines.bodies.turn().await;
            elsewhere(inspecting, asked(route, view).into_owned(), view, body.clone()).await?
        }
        None => judge(route, inspecting, view, body.map(|body| &**body.bytes())),
    };
    draft.inspected(inspecting, &report);
    verdict(inspecting, &report)
}

/// What is found in a request, by its head alone where it has a body that is not given.
pub fn judge(route: &Route, inspecting: &Inspecting, view: &RequestView<'_>, body: Option<&[u8]>) -> Report {
    let path = asked(route, view);
    let head = Head { method: view.method, path: &path, query: view.query, headers: view.headers };
    match body {
        None if view.has_body => inspecting.profile.judge_head(&head),
        body => inspecting.profile.judge(&head, body),
    }
}

/// What becomes of a request in which that was found.
///
/// # Errors
/// [`Denial::Inspection`], where it stops it.
pub fn verdict(inspecting: &Inspecting, report: &Report) -> Result<(), Denial> {
    if report.is_attack && inspecting.enforces() { Err(Denial::Inspection(kind(inspecting, report))) } else { Ok(()) }
}

/// The same of what passes, of which the first attack is kept.
pub(super) fn heed(inspecting: &Inspecting, report: Report, found: &mut Option<Report>) -> Result<(), Denial> {
    let verdict = verdict(inspecting, &report);
    if report.is_attack {
        found.get_or_insert(report);
    }
    verdict
}

/// The path that the upstream is asked for: where an API is described, its paths begin at its origin.
fn asked<'v>(route: &Route, view: &'v RequestView<'_>) -> Cow<'v, str> {
    let base = route.target.settings().base_path.as_str();
    match route.inspecting.as_ref().is_some_and(|inspecting| inspecting.profile.has_contract()) {
        true if !base.is_empty() => format!("{base}{}", view.path.as_str()).into(),
        true | false => view.path.as_str().into(),
    }
}

async fn elsewhere(
    inspecting: &Arc<Inspecting>,
    path: String,
    view: &RequestView<'_>,
    body: ReadBody,
) -> Result<Report, Denial> {
    let profile = Arc::clone(&inspecting.profile);
    let (method, query) = (view.method.clone(), view.query.map(str::to_owned));
    let headers = view.headers.clone();
    let judged = tokio::task::spawn_blocking(move || {
        let head = Head { method: &method, path: &path, query: query.as_deref(), headers: &headers };
        profile.judge(&head, Some(body.bytes()))
    });
    judged.await.map_err(|_| Denial::Internal)
}

/// What a client is told of what was found.
fn kind(inspecting: &Inspecting, report: &Report) -> Inspection {
    // A fault that is only told is not what stops it.
    let fault = report.fault.as_ref().map(|fault| fault.kind).filter(|kind| inspecting.profile.stops(*kind));
    match fault {
        None => Inspection::Attack,
        Some(FaultKind::Doctype | FaultKind::FileName | FaultKind::AmbiguousPath) => Inspection::Attack,
        Some(FaultKind::UnknownCoding | FaultKind::UnknownCharset | FaultKind::UnknownType) => Inspection::Unsupported,
        Some(FaultKind::Bomb) => Inspection::TooLarge,
        // Not 404 for what is no operation: that would be an answer about the resource, which caches keep (RFC 9110 15.5.5).
        Some(FaultKind::Contract) => Inspection::Contract,
        Some(
            FaultKind::Malformed
            | FaultKind::DuplicateKey
            | FaultKind::BadText
            | FaultKind::TooDeep
            | FaultKind::TooMany
            | FaultKind::TooLong
            | FaultKind::BrokenCoding
            | FaultKind::BadHead,
        ) => Inspection::Unreadable,
    }
}

/// Whether a body is in a coding in which nothing can be seen as it passes.
fn is_coded(headers: &HeaderMap) -> bool {
    let is_plain = |coding: &http::HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    let is_coded = |name| headers.get_all(name).iter().any(|coding| !is_plain(coding));
    is_coded("content-encoding") || is_coded("grpc-encoding") || grpc::is_text(headers)
}

/// By what a body is looked through that passes.
pub(super) fn windows(route: &Route, look: Look, headers: &HeaderMap) -> Option<Box<Windows>> {
    let inspecting = route.inspecting.as_ref().filter(|_| look == Look::Passing)?;
    Some(Box::new(Windows::new(Arc::clone(inspecting), is_coded(headers), Messages::of(headers, false))))
}
