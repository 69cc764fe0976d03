//! Pingora's errors as denials, and denials carried through Pingora as errors.

use pingora::{Error, ErrorSource, ErrorType, RetryType};

use crate::audit::Outcome;
use crate::domain::{AuthnFault, Denial, HttpFault, Inspection, PathFault, TimedOut, Unavailable, Withheld};
use crate::telemetry::UpstreamFault;

/// The name under which a denial travels through Pingora.
const CARRIED: &str = "Denial";

/// The denials that callbacks carry; any other comes out as an internal one.
const BY_PLACE: [Denial; 20] = [
    Denial::Internal,
    Denial::TooManyInFlight,
    Denial::BodyTooLarge,
    Denial::Inspection(Inspection::Attack),
    Denial::Inspection(Inspection::Unreadable),
    Denial::Inspection(Inspection::Contract),
    Denial::Inspection(Inspection::TooLarge),
    Denial::Inspection(Inspection::Unsupported),
    Denial::TimedOut(TimedOut::Body),
    Denial::Unavailable(Unavailable::Upstream),
    Denial::Unavailable(Unavailable::UpstreamProtocol),
    Denial::Unavailable(Unavailable::Scrub),
    Denial::Withheld(Withheld::Leak),
    Denial::Withheld(Withheld::Type),
    Denial::Malformed(HttpFault::Path(PathFault::BadCharacter)),
    Denial::Unauthenticated(AuthnFault::Digest),
    Denial::Unauthenticated(AuthnFault::Revoked),
    Denial::Unauthenticated(AuthnFault::Expired),
    Denial::OnHold,
    Denial::ApprovalNeeded,
];

/// A denial as the error that a callback returns. It comes back out of [`denial`].
pub(super) fn carry(denial: Denial) -> Box<Error> {
    let place = BY_PLACE.iter().position(|known| *known == denial).unwrap_or(BY_PLACE.len());
    Error::explain(ErrorType::CustomCode(CARRIED, u16::try_from(place).unwrap_or(u16::MAX)), denial.code())
}

/// The same for a body that may not go on. Named the client's: towards an HTTP/2 upstream Pingora takes any other error of the body for the
/// upstream's, and waits for its answer all the same, to pass it on.
pub(super) fn carry_of_body(denial: Denial) -> Box<Error> {
    carry(denial).into_down()
}

/// The name under which it travels that a target did not take a credential, and is to be asked again with another.
const NOT_TAKEN: &str = "CredentialNotTaken";

/// The error by which a request is sent again with another credential.
pub(super) fn not_taken() -> Box<Error> {
    let mut error = Error::explain(ErrorType::Custom(NOT_TAKEN), "with another credential");
    error.set_retry(true);
    error.into_up()
}

/// Whether this is such an error.
pub(super) fn is_not_taken(error: &Error) -> bool {
    matches!(error.root_etype(), ErrorType::Custom(NOT_TAKEN))
}

/// Whether a denial of what was under way is for what was sent, and not for what failed.
pub(super) fn is_refusal(denial: &Denial) -> bool {
    matches!(
        denial,
        Denial::BodyTooLarge
            | Denial::Inspection(_)
            | Denial::TimedOut(_)
            | Denial::Unauthenticated(_)
            | Denial::OnHold
            | Denial::ApprovalNeeded
            | Denial::Withheld(_)
    )
}

/// What an error means for the client; nothing where the client itself is gone.
pub(super) fn denial(error: &Error) -> Option<Denial> {
    match (error.root_etype(), error.esource()) {
        (ErrorType::CustomCode(CARRIED, place), _) => {
            Some(BY_PLACE.get(usize::from(*place)).copied().unwrap_or(Denial::Internal))
        }
        (ErrorType::ReadTimedout, ErrorSource::Downstream) => Some(Denial::TimedOut(TimedOut::Body)),
        (ErrorType::ReadError, ErrorSource::Downstream) if is_late(error) => Some(Denial::TimedOut(TimedOut::Body)),
        (_, ErrorSource::Downstream) => None,
        (
            ErrorType::ConnectTimedout
            | ErrorType::TLSHandshakeTimedout
            | ErrorType::ReadTimedout
            | ErrorType::WriteTimedout,
            ErrorSource::Upstream,
        ) => Some(Denial::Unavailable(Unavailable::UpstreamTimeout)),
        (
            ErrorType::InvalidHTTPHeader
            | ErrorType::H1Error
            | ErrorType::H2Error
            | ErrorType::InvalidH2
            | ErrorType::H2Downgrade,
            ErrorSource::Upstream,
        ) => Some(Denial::Unavailable(Unavailable::UpstreamProtocol)),
        (_, ErrorSource::Upstream) => Some(Denial::Unavailable(Unavailable::Upstream)),
        (_, ErrorSource::Internal | ErrorSource::Unset) => Some(Denial::Internal),
    }
}

/// Whether the stream gave the client up for not sending in time.
fn is_late(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::TimedOut)
}

/// Whether an HTTP/2 upstream said that it did not look at the request (REFUSED_STREAM or GOAWAY, RFC 9113 §8.7): then even one that must not
/// be repeated may be sent again.
pub(super) fn is_unprocessed(error: &Error) -> bool {
    matches!((&error.retry, &error.etype), (RetryType::Decided(true), ErrorType::H2Error))
}

/// Whether an HTTP/2 upstream takes no more on this connection (RFC 9113 §7): others' streams on it may be why, and on another it may.
pub(super) fn is_turned_away(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<h2::Error>();
    let reason = cause.filter(|cause| cause.is_remote() && cause.is_reset()).and_then(h2::Error::reason);
    matches!(reason, Some(h2::Reason::ENHANCE_YOUR_CALM | h2::Reason::REFUSED_STREAM))
}

/// What went wrong with an upstream, as metrics tell it.
pub(super) fn upstream_fault(error: &Error) -> UpstreamFault {
    use ErrorType as E;
    let etype = error.root_etype();
    if matches!(etype, E::CustomCode(CARRIED, _)) {
        UpstreamFault::NoBackend
    } else if matches!(etype, E::TLSHandshakeFailure | E::TLSHandshakeTimedout | E::InvalidCert | E::HandshakeError) {
        UpstreamFault::Tls
    } else if matches!(
        etype,
        E::ConnectTimedout | E::ConnectRefused | E::ConnectNoRoute | E::ConnectError | E::SocketError | E::BindError
    ) {
        UpstreamFault::Connect
    } else if matches!(etype, E::ReadTimedout | E::WriteTimedout) {
        UpstreamFault::Timeout
    } else if matches!(etype, E::InvalidHTTPHeader | E::H1Error | E::H2Error | E::H2Downgrade | E::InvalidH2) {
        UpstreamFault::Protocol
    } else {
        UpstreamFault::Closed
    }
}

/// How an exchange ended, as its record tells it.
pub(super) fn outcome(refused: bool, error: Option<&Error>, denial: Option<Denial>) -> Outcome {
    match (refused, error, denial) {
        (true, ..) => Outcome::Denied,
        (false, None, None) => Outcome::Completed,
        (false, Some(error), None) if *error.esource() == ErrorSource::Downstream => Outcome::Aborted,
        (false, _, Some(denial)) if is_refusal(&denial) => Outcome::Denied,
        (false, ..) => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_come_out_of_pingora_as_they_went_in() {
        for carried in BY_PLACE {
            assert_eq!(denial(&carry(carried)), Some(carried));
            let of_body = carry_of_body(carried);
            assert_eq!((denial(&of_body), of_body.esource()), (Some(carried), &ErrorSource::Downstream));
        }
        assert_eq!(denial(&carry(Denial::NoRoute)), Some(Denial::Internal));
    }
}
