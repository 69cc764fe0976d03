//! The closed sets of label values. What a client sends never becomes a label: each value is a series that is kept for good.

use std::marker::PhantomData;

use crate::domain::Lockout;

/// A label with a closed set of values.
pub(super) trait Label: Copy + 'static {
    /// Every value, in the order of their indexes.
    const ALL: &'static [Self];
    /// The value as metrics show it.
    fn text(self) -> &'static str;
    /// Its place in [`Self::ALL`].
    fn index(self) -> usize;
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$value_doc])* $value,)+ }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn text(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    )+};
}

labels! {
    /// How an exchange ended, as metrics count it.
    Outcome {
        /// It was allowed, and an upstream answered.
        Allowed = "allowed",
        /// It was refused by a rule.
        Denied = "denied",
        /// It was not refused, but could not be completed.
        Failed = "failed",
    }

    /// What came of looking through a request.
    InspectionVerdict {
        /// Nothing was found that stops it.
        Passed = "passed",
        /// It would have been stopped.
        Shadowed = "shadowed",
        /// It was stopped.
        Denied = "denied",
    }

    /// A phase whose time is measured.
    Phase {
        /// Proving who calls.
        Authenticate = "authenticate",
        /// Deciding whether it is allowed.
        Authorize = "authorize",
        /// Getting the credential.
        Acquire = "acquire",
        /// From the connection to the upstream to the last byte of its answer.
        Upstream = "upstream",
    }

    /// What went wrong with an upstream.
    UpstreamFault {
        /// No backend is healthy.
        NoBackend = "no_backend",
        /// No connection could be made.
        Connect = "connect",
        /// The TLS handshake failed, or the certificate was not accepted.
        Tls = "tls",
        /// It did not answer, or go on, in time.
        Timeout = "timeout",
        /// It closed the connection in the middle of an exchange.
        Closed = "closed",
        /// It broke HTTP.
        Protocol = "protocol",
    }

    /// Why a connection was closed as soon as it was accepted.
    ConnectionRefusal {
        /// The listener has all the connections it takes.
        Total = "total",
        /// The client's network has all the connections it may have.
        Client = "client",
        /// A peer that is trusted to name its client did not.
        ProxyHeader = "proxy_header",
    }

    /// What a client did not do in time.
    IngressTimeout {
        /// Begin a request.
        Idle = "idle",
        /// Send a whole head.
        Head = "head",
        /// Send a whole body.
        Body = "body",
        /// Take the response.
        Write = "write",
    }

    /// What a limit refused for.
    Limited {
        /// Too many in too short a time.
        Rate = "rate",
        /// Too many at once.
        Concurrency = "concurrency",
        /// Too much was come to.
        Volume = "volume",
    }

    /// What became of a span.
    SpanResult {
        /// The receiver has it.
        Sent = "sent",
        /// The receiver could not be told, or did not take it.
        Failed = "failed",
        /// Too many waited.
        Dropped = "dropped",
    }

    /// What a lock-out is counted by.
    LockoutBy {
        /// The client's address.
        Address = "address",
        /// The identity that was claimed, from the client's network.
        Identity = "identity",
    }

    /// What sort of decoy was used.
    Decoy {
        /// An API key.
        Key = "key",
        /// A credential, by a route that leads to it.
        Credential = "credential",
    }

    /// How a reload ended.
    ReloadResult {
        /// The new configuration is in use.
        Applied = "applied",
        /// The new configuration was faulty; the old one stays.
        Refused = "refused",
    }

    /// Whether something that requests need can be had.
    Availability {
        /// It can.
        Usable = "usable",
        /// It cannot.
        Failed = "failed",
    }
}

impl From<Lockout> for LockoutBy {
    fn from(by: Lockout) -> Self {
        match by {
            Lockout::Address => Self::Address,
            Lockout::Identity => Self::Identity,
        }
    }
}

/// One metric for each value of a label. All exist from the start, so that the first event is seen as a rise from zero, and none is looked up
/// by text when something happens.
#[derive(Debug, Clone)]
pub struct Labelled<L, M> {
    metrics: std::sync::Arc<[M]>,
    label: PhantomData<L>,
}

#[expect(private_bounds, reason = "the set of labels is closed: only this file can add one")]
impl<L: Label, M> Labelled<L, M> {
    pub(super) fn new(make: impl FnMut(&'static str) -> M) -> Self {
        Self { metrics: L::ALL.iter().map(|value| value.text()).map(make).collect(), label: PhantomData }
    }

    /// The metric of this value.
    pub fn of(&self, value: L) -> &M {
        &self.metrics[value.index()]
    }
}
