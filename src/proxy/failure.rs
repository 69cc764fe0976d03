//! Pingora's errors as denials, and denials carried through Pingora as errors.

use pingora::{Error, ErrorSource, ErrorType};

use crate::domain::{Denial, TimedOut, Unavailable};

/// A denial as the error that a callback returns. It comes back out of [`denial`].
pub(super) fn carry(denial: Denial) -> Box<Error> {
    Error::explain(ErrorType::CustomCode(denial.code(), denial.status()), denial.code())
}

/// What an error means for the client; nothing where the client itself is gone.
pub(super) fn denial(error: &Error) -> Option<Denial> {
    match (error.root_etype(), error.esource()) {
        (ErrorType::CustomCode(code, _), _) => Some(carried(code)),
        (ErrorType::ReadTimedout, ErrorSource::Downstream) => Some(Denial::TimedOut(TimedOut::Body)),
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

/// The denials that callbacks carry have a code each of its own.
fn carried(code: &str) -> Denial {
    [
        Denial::BodyTooLarge,
        Denial::TimedOut(TimedOut::Body),
        Denial::Unavailable(Unavailable::Upstream),
        Denial::Unavailable(Unavailable::UpstreamTimeout),
        Denial::Unavailable(Unavailable::UpstreamProtocol),
    ]
    .into_iter()
    .find(|denial| denial.code() == code)
    .unwrap_or(Denial::Internal)
}
