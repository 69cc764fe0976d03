//! Access requests as they are written and told.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::{Bounds, ExactRequest, Host, InvalidAccess, Methods, Name, NormalPath, hex};
use crate::proxy::identify::split_target;
use crate::session::{AccessRequest, AccessState, NewAccess, Revocation, digest};
use crate::state::{Approval, Router};

/// What is sent to ask.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskBody {
    /// The `[approval.NAME]`.
    pub(super) approval: Name,
    /// Why it is needed.
    reason: String,
    /// The case that it belongs to.
    ticket: Option<String>,
    /// How long it is to last (`15m`); without it, as long as it may.
    #[serde(rename = "for")]
    lasts: Option<String>,
    /// The routes that it is for; without it, all.
    routes: Option<Vec<Name>>,
    /// The methods that it is for; without it, all.
    methods: Option<Vec<String>>,
    /// How many requests it is for; without it, any number.
    uses: Option<u32>,
    /// The one request that it is for, where the approval is for single ones.
    request: Option<RequestBody>,
    /// Whether it is to be granted at once, without any approval.
    #[serde(default)]
    pub(super) break_glass: bool,
}

/// The one request that access is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestBody {
    /// The method.
    method: String,
    /// The URL, as the client asks the gateway for it.
    url: String,
    /// The SHA-256 of its body in hexadecimal; without it, it has none.
    body_sha256: Option<String>,
}

impl RequestBody {
    /// The request in normal form, if it is one.
    fn exact(self) -> Option<ExactRequest> {
        let (_, rest) = self.url.split_once("://")?;
        let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        let (path, query) = split_target(if target.is_empty() { b"/" } else { target.as_bytes() }).ok()?;
        let body = self.body_sha256.unwrap_or_else(|| hex(&digest(b"")));
        let is_digest = body.len() == 64 && body.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_known = Methods::of(&self.method) != Methods::NONE;
        (is_digest && is_known).then_some(())?;
        Some(ExactRequest {
            method: self.method,
            host: Host::parse(authority).ok()?.as_str().to_owned(),
            path: NormalPath::parse(path).ok()?.as_str().to_owned(),
            query: query.map(str::to_owned),
            body,
        })
    }
}

/// The longest ticket, in bytes.
const MAX_TICKET: usize = 128;

impl AskBody {
    /// What is asked for.
    ///
    /// # Errors
    /// What of it cannot be.
    pub(super) fn asked(
        self,
        approval: &Approval,
        router: &Router,
        now: SystemTime,
    ) -> Result<NewAccess, InvalidAccess> {
        let is_ticket = |text: &String| Revocation::is_reason(text) && text.len() <= MAX_TICKET;
        let has_ticket = self.ticket.as_ref().map_or(!approval.is_ticket_needed, is_ticket);
        let has_routes = self.routes.as_ref().is_none_or(|routes| routes.len() <= Bounds::MAX_NAMES)
            && self.routes.iter().flatten().all(|route| router.has(route));
        let is_used = self.uses.is_none_or(|uses| (1..=Bounds::MAX_USES).contains(&uses));
        let checks = [
            (Revocation::is_reason(&self.reason), InvalidAccess::Reason),
            (has_ticket, InvalidAccess::Ticket),
            (has_routes, InvalidAccess::Routes),
            (is_used, InvalidAccess::Uses),
            (self.request.is_some() == approval.is_exact, InvalidAccess::Request),
        ];
        if let Some((_, fault)) = checks.into_iter().find(|(holds, _)| !holds) {
            return Err(fault);
        }
        let lasts = self.lasts.map_or(Some(approval.max), |text| humantime::parse_duration(&text).ok());
        let lasts = lasts.filter(|lasts| !lasts.is_zero() && *lasts <= approval.max).ok_or(InvalidAccess::Lasts)?;
        let methods = self.methods.as_deref().map(|names| all(names).ok_or(InvalidAccess::Methods)).transpose()?;
        let exact = self.request.map(|request| request.exact().ok_or(InvalidAccess::Request)).transpose()?;
        Ok(NewAccess {
            approval: self.approval,
            bounds: Bounds { routes: self.routes, methods, ..Bounds::default() },
            uses: self.uses,
            exact,
            lasts,
            reason: self.reason,
            ticket: self.ticket,
            expires: now + approval.expires,
        })
    }
}

/// The methods of these names, if there is one and each is known.
fn all(names: &[String]) -> Option<Methods> {
    let known =
        |set: Methods, name: &String| Some(set.union(Some(Methods::of(name)).filter(|one| *one != Methods::NONE)?));
    names.iter().try_fold(Methods::NONE, known).filter(|set| *set != Methods::NONE)
}

/// The state that a list is asked for, if it says one; none where it says something else.
#[expect(clippy::option_option, reason = "wrong and absent are two things")]
pub(super) fn state(target: &[u8]) -> Option<Option<String>> {
    let Some(at) = target.iter().position(|byte| *byte == b'?') else { return Some(None) };
    let mut wanted = None;
    for (name, value) in form_urlencoded::parse(target.get(at + 1..)?) {
        if name != "state" || wanted.replace(value.into_owned()).is_some() {
            return None;
        }
    }
    Some(wanted)
}

/// All that is told of one, in this state, of an approval that needs so many.
pub(super) fn told(request: &AccessRequest, needed: u32, state: &str) -> Value {
    let (since, until, used) = match request.state {
        AccessState::Granted { since, until, used } => (Some(since), Some(until), Some(used)),
        AccessState::Pending | AccessState::Denied | AccessState::Expired | AccessState::Ended => (None, None, None),
    };
    let events: Vec<_> = request
        .events
        .iter()
        .map(
            |event| json!({ "at": stamp(event.at), "deed": event.deed.text(), "by": event.by, "reason": event.reason }),
        )
        .collect();
    json!({
        "id": request.id,
        "approval": request.approval,
        "requester": request.requester(),
        "actor": request.actor,
        "state": state,
        "reason": request.reason,
        "ticket": request.ticket,
        "for": duration(request.lasts),
        "routes": request.bounds.routes,
        "methods": request.bounds.methods.map(|methods| methods.names().collect::<Vec<_>>()),
        "uses": request.uses,
        "request": request.exact,
        "hold": request.is_hold,
        "used": used.filter(|_| request.uses.is_some()),
        "needed": needed,
        "expires": stamp(request.expires),
        "since": since.map(stamp),
        "until": until.map(stamp),
        "needs_review": request.needs_review(),
        "events": events,
    })
}

fn duration(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// RFC 3339, to the millisecond.
fn stamp(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approval() -> Approval {
        Approval {
            requesters: vec![],
            approvers: vec!["lead".to_owned()],
            needed: 1,
            max: Duration::from_secs(3600),
            expires: Duration::from_secs(60),
            is_exact: false,
            is_ticket_needed: false,
            break_glass: vec![],
        }
    }

    #[test]
    fn what_cannot_be_asked_for_is_not_asked() {
        let strict = Approval { is_ticket_needed: true, ..approval() };
        for (approval, more, want) in [
            (approval(), "", true),
            (approval(), r#","for":"1h","uses":3,"methods":["GET","POST"],"ticket":"T-1""#, true),
            (approval(), r#","for":"61m""#, false),
            (approval(), r#","for":"0s""#, false),
            (approval(), r#","for":"soon""#, false),
            (approval(), r#","uses":0"#, false),
            (approval(), r#","uses":10001"#, false),
            (approval(), r#","methods":["get"]"#, false),
            (approval(), r#","methods":[]"#, false),
            (approval(), r#","routes":["nowhere"]"#, false),
            (approval(), r#","ticket":"""#, false),
            (strict, "", false),
        ] {
            let text = format!(r#"{{"approval":"finance","reason":"case 7"{more}}}"#);
            let body: AskBody = serde_json::from_str(&text).expect(&text);
            assert_eq!(body.asked(&approval, &Router::default(), SystemTime::now()).is_ok(), want, "{text}");
        }
        for text in [
            r#"{"approval":"finance"}"#,
            r#"{"reason":"x"}"#,
            r#"{"approval":"no name","reason":"x"}"#,
            r#"{"approval":"finance","reason":"x","state":"granted"}"#,
            r#"{"approval":"finance","reason":"x","break_glass":"yes"}"#,
        ] {
            assert!(serde_json::from_str::<AskBody>(text).is_err(), "{text}");
        }
        let empty: AskBody = serde_json::from_str(r#"{"approval":"finance","reason":" "}"#).expect("JSON");
        assert!(empty.asked(&approval(), &Router::default(), SystemTime::now()).is_err());
    }

    #[test]
    fn one_request_is_read_in_the_form_in_which_it_will_be_judged() {
        let exact = |method: &str, url: &str, digest: Option<&str>| {
            let (method, url, body_sha256) = (method.to_owned(), url.to_owned(), digest.map(str::to_owned));
            RequestBody { method, url, body_sha256 }.exact()
        };
        let digest = "0123456789abcdef".repeat(4);
        let got = exact("POST", "https://API.test:8443/pay/%7Eme?b=1&a=2", Some(&digest)).expect("a request");
        assert_eq!((&*got.host, &*got.path, got.query.as_deref()), ("api.test", "/pay/~me", Some("b=1&a=2")));
        assert_eq!(exact("GET", "https://api.test", None).expect("a request").path, "/");
        for (method, url, digest) in [
            ("get", "https://api.test/", None),
            ("GET", "/pay", None),
            ("GET", "https://api.test/../x", None),
            ("GET", "https://api.test/a#b", None),
            ("GET", "https://user@api.test/", None),
            ("GET", "https://api.test/", Some("0123")),
            ("GET", "https://api.test/", Some(&*digest.to_uppercase())),
        ] {
            assert_eq!(exact(method, url, digest), None, "{method} {url} {digest:?}");
        }
        let single = Approval { is_exact: true, ..approval() };
        for (text, of_single, of_any) in [
            (r#"{"approval":"finance","reason":"x"}"#, false, true),
            (r#"{"approval":"finance","reason":"x","request":{"method":"GET","url":"https://a.test/"}}"#, true, false),
        ] {
            for (approval, want) in [(&single, of_single), (&approval(), of_any)] {
                let body: AskBody = serde_json::from_str(text).expect(text);
                assert_eq!(body.asked(approval, &Router::default(), SystemTime::now()).is_ok(), want, "{text}");
            }
        }
    }

    #[test]
    fn a_list_is_of_one_state_or_of_all() {
        for (target, want) in [
            ("/access/requests", Some(None)),
            ("/access/requests?state=pending", Some(Some("pending"))),
            ("/access/requests?state=a&state=b", None),
            ("/access/requests?page=2", None),
        ] {
            assert_eq!(state(target.as_bytes()), want.map(|state| state.map(str::to_owned)), "{target}");
        }
    }
}
