//! The trace of an exchange: what its head says of one, and what the upstream is told.

use http::{HeaderMap, HeaderName};
use pingora::Result;
use pingora::http::RequestHeader;

use crate::domain::{RequestId, SpanId, TraceContext, TraceId, is_trace_state};
use crate::state::{Traced, Tracing};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace that an exchange belongs to. Made for each, so it costs nothing but a look at the head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace {
    /// What the caller said, where it said something sound.
    told: Option<TraceContext>,
    /// The trace and this exchange's span in it, where it is sampled.
    sampled: Option<(TraceId, SpanId)>,
}

impl Trace {
    /// That of an exchange with this head. Ids of its own are made of its id, the end of which is random.
    pub(super) fn begin(tracing: Option<&Tracing>, id: &RequestId, headers: &HeaderMap) -> Self {
        let told = told(headers);
        let sampled = tracing.and_then(|tracing| {
            let trace = match told {
                Some(told) => (tracing.follow && told.is_sampled).then_some(told.trace),
                None => TraceId::new(*id.bytes()).filter(|trace| tracing.samples(trace)),
            };
            let [.., a, b, c, d, e, f, g, h] = *id.bytes();
            Some((trace?, SpanId::new([a, b, c, d, e, f, g, h])?))
        });
        Self { told, sampled }
    }

    /// The trace that it belongs to, if any.
    pub(super) fn id(&self) -> Option<TraceId> {
        self.sampled.map(|(trace, _)| trace).or(self.told.map(|told| told.trace))
    }

    /// Trace, span, and the caller's span, where it is sampled.
    pub(super) fn sampled(&self) -> Option<(TraceId, SpanId, Option<SpanId>)> {
        self.sampled.map(|(trace, span)| (trace, span, self.told.map(|told| told.parent)))
    }

    /// Tells the upstream: of the part of this exchange that it is, of what the caller said, or of nothing.
    pub(super) fn apply(&self, head: &mut RequestHeader) -> Result<()> {
        if let Some((trace, span)) = self.sampled {
            let context = TraceContext { trace, parent: span.part(Traced::UPSTREAM), is_sampled: true };
            head.insert_header(TRACEPARENT, context.text())?;
        } else if self.told.is_none() {
            head.remove_header(&TRACEPARENT);
        }
        let is_sound = |head: &RequestHeader| {
            let fields = || head.headers.get_all(TRACESTATE).iter().map(|value| value.to_str().unwrap_or("?"));
            is_trace_state(fields())
        };
        if head.headers.contains_key(TRACESTATE) && (self.told.is_none() || !is_sound(head)) {
            head.remove_header(&TRACESTATE);
        }
        Ok(())
    }
}

/// What the head says, if it says one thing.
fn told(headers: &HeaderMap) -> Option<TraceContext> {
    let value = headers.get(TRACEPARENT)?;
    if headers.get_all(TRACEPARENT).iter().nth(1).is_some() {
        return None;
    }
    TraceContext::parse(value.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::{HeaderName, HeaderValue};

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    fn passed_on(fields: &[(&'static str, &str)]) -> (Option<String>, Option<String>) {
        let mut head = RequestHeader::build("GET", b"/", None).expect("a head");
        for (name, value) in fields {
            head.append_header(HeaderName::from_static(name), HeaderValue::try_from(*value).expect("a value"))
                .expect("added");
        }
        let trace = Trace::begin(None, &RequestId::new(SystemTime::now()), &head.headers);
        trace.apply(&mut head).expect("applied");
        let text = |name| head.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
        (text(TRACEPARENT), text(TRACESTATE))
    }

    #[test]
    fn what_is_sound_is_passed_on_and_nothing_else() {
        for (fields, parent, state) in [
            (&[][..], None, None),
            (&[("traceparent", GOOD)], Some(GOOD), None),
            (&[("traceparent", GOOD), ("tracestate", "a=1")], Some(GOOD), Some("a=1")),
            (&[("traceparent", GOOD), ("tracestate", "A=1")], Some(GOOD), None),
            (&[("traceparent", GOOD), ("traceparent", GOOD)], None, None),
            (&[("traceparent", "00-0-0-00"), ("tracestate", "a=1")], None, None),
            (&[("tracestate", "a=1")], None, None),
        ] {
            assert_eq!(passed_on(fields), (parent.map(str::to_owned), state.map(str::to_owned)), "{fields:?}");
        }
    }
}
