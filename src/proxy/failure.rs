//! Pingora's errors as denials, and denials carried through Pingora as errors.

use pingora::{Error, ErrorSource, ErrorType};

use crate::domain::{Denial, HttpFault, PathFault, TimedOut, Unavailable};

/// A denial as the error that a callback returns. It comes back out of [`denial`].
pub(super) fn carry(denial: Denial) -> Box<Error> {
    Error::new(ErrorType::CustomCode(denial.code(), denial.status()))
}

/// What an error means for the client; nothing where the client itself is gone.
pub(super) fn denial(error: &Error) -> Option<Denial> {
    match (error.root_etype(), error.esource()) {
        (ErrorType::CustomCode(code, _), _) => Some(carried(code)),
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

/// The denial that travelled under its code; no two that callbacks carry have the same.
fn carried(code: &str) -> Denial {
    [
        Denial::BodyTooLarge,
        Denial::TimedOut(TimedOut::Body),
        Denial::Unavailable(Unavailable::Upstream),
        Denial::Unavailable(Unavailable::UpstreamTimeout),
        Denial::Unavailable(Unavailable::UpstreamProtocol),
        Denial::Malformed(HttpFault::Path(PathFault::BadCharacter)),
    ]
    .into_iter()
    .find(|denial| denial.code() == code)
    .unwrap_or(Denial::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_late_is_told_from_one_that_is_gone() {
        for (kind, want) in [
            (std::io::ErrorKind::TimedOut, Some(Denial::TimedOut(TimedOut::Body))),
            (std::io::ErrorKind::ConnectionReset, None),
        ] {
            let mut error = Error::because(ErrorType::ReadError, "a body", std::io::Error::from(kind));
            error.as_down();
            assert_eq!(denial(&error), want, "{kind}");
        }
    }

    #[test]
    fn a_denial_comes_back_as_what_it_was() {
        for sent in [
            Denial::BodyTooLarge,
            Denial::TimedOut(TimedOut::Body),
            Denial::Unavailable(Unavailable::Upstream),
            Denial::Unavailable(Unavailable::UpstreamTimeout),
            Denial::Unavailable(Unavailable::UpstreamProtocol),
            Denial::Internal,
        ] {
            assert_eq!(denial(&carry(sent)), Some(sent));
        }
    }
}
