//! The one reason an exchange was refused.

use std::time::Duration;

use super::{
    AccessFault, AuthnFault, HostFault, Inspection, Lockout, Measure, Methods, OauthFault, PathFault, Withheld,
};

/// Why an exchange was refused: a stable code, a status, and a public text that tells a client what it may know and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The request could be read in more than one way.
    Malformed(HttpFault),
    /// The head is larger than the listener takes.
    HeadTooLarge,
    /// The body is larger than the route takes.
    BodyTooLarge,
    /// The body is in no form in which the route's credential can be put in it.
    BodyForm,
    /// What was sent is not let through.
    Inspection(Inspection),
    /// The client did not send in time.
    TimedOut(TimedOut),
    /// The host is not the one that the connection, on which a certificate was shown, was opened for (RFC 9110 §15.5.20).
    Misdirected,
    /// No route matches host and path.
    NoRoute,
    /// The route exists, for other methods.
    MethodNotAllowed(Methods),
    /// No identity was proved.
    Unauthenticated(AuthnFault),
    /// No rule allows it.
    NotAllowed,
    /// It leads to a decoy. The client is told what it would be if no rule allowed it.
    Canary,
    /// A rule would allow it if somebody approved.
    ApprovalNeeded,
    /// The caller is held until somebody has approved that they go on.
    OnHold,
    /// Something is wrong with an access request, or with a decision on one.
    Access(AccessFault),
    /// The rate is above what this client, principal or route may use; with the time after which to come again.
    RateExceeded(Duration),
    /// This client, principal or route came to more than it may; with the time after which to come again.
    VolumeExceeded(Measure, Duration),
    /// Too many wrong credentials were presented; with the time after which to come again.
    LockedOut(Lockout, Duration),
    /// More requests are under way than this client, principal or route may have.
    TooManyInFlight,
    /// The principal has as many sessions as it may.
    TooManySessions,
    /// A request to the token service asks for what it does not do or may not have.
    TokenRequest(OauthFault),
    /// The upstream's answer may not go on.
    Withheld(Withheld),
    /// Something that the proxy needs is away.
    Unavailable(Unavailable),
    /// An error or panic in the proxy itself.
    Internal,
}

/// How a request was malformed or ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpFault {
    /// Breaks a rule of the path normal form.
    Path(PathFault),
    /// Breaks a rule of the host normal form.
    Host(HostFault),
    /// A line that ends in LF alone, or holds a bare CR.
    LineEnd,
    /// The request line is not `method SP target SP HTTP/1.x`.
    RequestLine,
    /// A header field's name or value holds what RFC 9110 §5 forbids, or a folded line.
    Field,
    /// A header name with `_` or `.`, which some servers fold into another name.
    FieldName,
    /// More than one field where one is allowed (`Host`, `Content-Length`, ...).
    Repeated,
    /// What a trusted proxy tells of the client's address in `Forwarded` and in `X-Forwarded-For` does not agree, or `Forwarded` can be read in two ways.
    Forwarded,
    /// `Content-Length` is not a plain number, or stands beside `Transfer-Encoding`.
    ContentLength,
    /// A `Transfer-Encoding` other than `chunked`, or one in HTTP/1.0 or HTTP/2.
    TransferEncoding,
    /// `Connection` names something other than `close`, `keep-alive`, `upgrade` or `te`.
    Connection,
    /// An `Expect` other than `100-continue`.
    Expect,
    /// An upgrade that the route does not allow, or one that is no WebSocket handshake.
    Upgrade,
    /// TRACE, CONNECT or an unknown method.
    Method,
    /// A body whose parts its client has signed, with a key that is not the one that the target is sent.
    Upload,
}

/// What the client did not send in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimedOut {
    /// A whole head.
    Head,
    /// A whole body.
    Body,
}

/// What was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// A credential could not be had.
    Credential,
    /// The keys of an issuer could not be had.
    IssuerKeys,
    /// The service that knows the credential could not be asked.
    Authenticator,
    /// Too many passwords wait to be compared.
    Passwords,
    /// No backend could be reached.
    Upstream,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The upstream broke HTTP.
    UpstreamProtocol,
    /// The upstream's answer cannot be looked through for the secrets that it was sent.
    Scrub,
    /// The audit log takes no records.
    Audit,
    /// What other nodes know or decide cannot be known here.
    Cluster,
}

impl Denial {
    /// Whether a credential was wrong, and not only late, incomplete, withdrawn or sent twice, as those of the honest are. A password that
    /// there was no room to compare counts too: a right one may have been known, and so not have had to wait.
    pub fn is_wrong_credential(&self) -> bool {
        let is_wrong = matches!(self, Self::Unauthenticated(fault) if fault.is_wrong());
        is_wrong || *self == Self::Unavailable(Unavailable::Passwords)
    }

    /// The HTTP status that answers it.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(HttpFault::Method) => 405,
            Self::Malformed(_) => 400,
            Self::HeadTooLarge => 431,
            Self::BodyTooLarge => 413,
            Self::BodyForm => 415,
            Self::Inspection(fault) => fault.status(),
            Self::TimedOut(_) => 408,
            Self::Misdirected => 421,
            Self::NoRoute => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::Unauthenticated(_) => 401,
            Self::NotAllowed | Self::Canary | Self::ApprovalNeeded | Self::OnHold => 403,
            Self::Access(fault) => fault.status(),
            Self::TokenRequest(_) => 400,
            Self::RateExceeded(_)
            | Self::VolumeExceeded(..)
            | Self::LockedOut(..)
            | Self::TooManyInFlight
            | Self::TooManySessions => 429,
            Self::Withheld(_)
            | Self::Unavailable(Unavailable::Upstream | Unavailable::UpstreamProtocol | Unavailable::Scrub) => 502,
            Self::Unavailable(Unavailable::UpstreamTimeout) => 504,
            Self::Unavailable(
                Unavailable::Credential
                | Unavailable::IssuerKeys
                | Unavailable::Authenticator
                | Unavailable::Passwords
                | Unavailable::Audit
                | Unavailable::Cluster,
            ) => 503,
            Self::Internal => 500,
        }
    }

    /// The stable code that clients may act on. Says no more than the status and what the client knows already.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(HttpFault::Method) => "method_not_supported",
            Self::Malformed(_) => "malformed_request",
            Self::HeadTooLarge => "head_too_large",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyForm => "body_form",
            Self::Inspection(fault) => fault.code(),
            Self::TimedOut(_) => "request_timeout",
            Self::Misdirected => "misdirected",
            Self::NoRoute => "no_route",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::Unauthenticated(AuthnFault::Missing) => "credential_missing",
            Self::Unauthenticated(AuthnFault::Several) => "credential_ambiguous",
            Self::Unauthenticated(_) => "credential_invalid",
            Self::NotAllowed | Self::Canary => "not_allowed",
            Self::ApprovalNeeded => "approval_needed",
            Self::OnHold => "on_hold",
            Self::Access(fault) => fault.text(),
            Self::RateExceeded(_) => "rate_exceeded",
            Self::VolumeExceeded(..) => "volume_exceeded",
            Self::LockedOut(..) => "locked_out",
            Self::TooManyInFlight => "too_many_in_flight",
            Self::TooManySessions => "too_many_sessions",
            Self::TokenRequest(fault) => fault.text(),
            Self::Withheld(_) => "response_withheld",
            Self::Unavailable(Unavailable::Upstream) => "upstream_unreachable",
            Self::Unavailable(Unavailable::UpstreamTimeout) => "upstream_timeout",
            Self::Unavailable(Unavailable::UpstreamProtocol | Unavailable::Scrub) => "upstream_invalid",
            Self::Unavailable(_) => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// What exactly was wrong, for the record and the log alone.
    pub fn detail(&self) -> &'static str {
        match self {
            Self::Malformed(fault) => fault.detail(),
            Self::TimedOut(TimedOut::Head) => "head",
            Self::TimedOut(TimedOut::Body) => "body",
            Self::Unauthenticated(fault) => fault.detail(),
            Self::LockedOut(by, _) => by.text(),
            Self::VolumeExceeded(measure, _) => measure.detail(),
            Self::Withheld(why) => why.detail(),
            Self::Canary => AuthnFault::Canary.detail(),
            Self::Unavailable(Unavailable::Credential) => "credential",
            Self::Unavailable(Unavailable::IssuerKeys) => "issuer_keys",
            Self::Unavailable(Unavailable::Authenticator) => "authenticator",
            Self::Unavailable(Unavailable::Passwords) => "passwords",
            Self::Unavailable(Unavailable::Audit) => "audit",
            Self::Unavailable(Unavailable::Cluster) => "cluster",
            Self::Unavailable(Unavailable::Scrub) => "scrub",
            Self::Unavailable(Unavailable::Upstream | Unavailable::UpstreamTimeout | Unavailable::UpstreamProtocol)
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::BodyForm
            | Self::Inspection(_)
            | Self::Misdirected
            | Self::NoRoute
            | Self::MethodNotAllowed(_)
            | Self::NotAllowed
            | Self::ApprovalNeeded
            | Self::OnHold
            | Self::Access(_)
            | Self::RateExceeded(_)
            | Self::TooManyInFlight
            | Self::TooManySessions
            | Self::TokenRequest(_)
            | Self::Internal => "",
        }
    }

    /// One sentence for the client.
    pub fn public_text(&self) -> &'static str {
        match self {
            Self::Malformed(HttpFault::Method) => "This method is not supported.",
            Self::Malformed(_) => "The request is malformed or can be read in more than one way.",
            Self::HeadTooLarge => "The request's header fields are too large.",
            Self::BodyTooLarge => "The request's body is too large.",
            Self::BodyForm => {
                "Bodies have to be JSON or a form here, in UTF-8 and without a coding, and what the gateway fills in the whole of a value."
            }
            Self::Inspection(fault) => fault.public_text(),
            Self::TimedOut(_) => "The request did not arrive in time.",
            Self::Misdirected => "This connection was opened for another host.",
            Self::NoRoute => "There is nothing here.",
            Self::MethodNotAllowed(_) => "This method is not allowed here.",
            Self::Unauthenticated(AuthnFault::Missing) => "Present a credential.",
            Self::Unauthenticated(AuthnFault::Several) => "Present exactly one credential.",
            Self::Unauthenticated(_) => "The presented credential was not accepted.",
            Self::NotAllowed | Self::Canary => "No rule allows this request.",
            Self::ApprovalNeeded => "This request has to be approved first.",
            Self::OnHold => "This caller is on hold until somebody has approved that they go on.",
            Self::Access(fault) => fault.public_text(),
            Self::RateExceeded(_) => "Too many requests.",
            Self::VolumeExceeded(..) => "Too much for now.",
            Self::LockedOut(..) => "Too many credentials that were not accepted.",
            Self::TooManyInFlight => "Too many requests at once.",
            Self::TooManySessions => "There are as many sessions as there may be: use one of them, or end one.",
            Self::TokenRequest(fault) => fault.public_text(),
            Self::Withheld(_) => "The upstream's answer may not be passed on.",
            Self::Unavailable(Unavailable::Upstream) => "The upstream could not be reached.",
            Self::Unavailable(Unavailable::UpstreamTimeout) => "The upstream did not answer in time.",
            Self::Unavailable(Unavailable::UpstreamProtocol | Unavailable::Scrub) => {
                "The upstream's answer was invalid."
            }
            Self::Unavailable(_) => "Something that this request needs is not available now.",
            Self::Internal => "An internal error.",
        }
    }
}

impl HttpFault {
    fn detail(self) -> &'static str {
        match self {
            Self::Path(fault) => path_detail(fault),
            Self::Host(HostFault::Missing) => "host_missing",
            Self::Host(HostFault::TooLong) => "host_too_long",
            Self::Host(HostFault::Malformed) => "host_malformed",
            Self::Host(HostFault::BadPort) => "host_port",
            Self::LineEnd => "line_end",
            Self::RequestLine => "request_line",
            Self::Field => "field",
            Self::FieldName => "field_name",
            Self::Repeated => "repeated_field",
            Self::Forwarded => "forwarded",
            Self::ContentLength => "content_length",
            Self::TransferEncoding => "transfer_encoding",
            Self::Connection => "connection",
            Self::Expect => "expect",
            Self::Upgrade => "upgrade",
            Self::Method => "method",
            Self::Upload => "upload",
        }
    }
}

fn path_detail(fault: PathFault) -> &'static str {
    match fault {
        PathFault::NotAbsolute => "path_not_absolute",
        PathFault::TooLong => "path_too_long",
        PathFault::TooDeep => "path_too_deep",
        PathFault::BadCharacter => "path_character",
        PathFault::Fragment => "path_fragment",
        PathFault::Backslash => "path_backslash",
        PathFault::Parameters => "path_parameters",
        PathFault::EmptySegment => "path_empty_segment",
        PathFault::DotSegment => "path_dot_segment",
        PathFault::BadEscape => "path_escape",
        PathFault::DoubleEncoding => "path_double_encoding",
        PathFault::EncodedControl => "path_encoded_control",
        PathFault::EncodedSlash => "path_encoded_slash",
    }
}
