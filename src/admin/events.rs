//! The live view's feed: records as server-sent events, as the log has them, for those who listen on `/events`.

use std::fmt::Write as _;

use http::HeaderMap;
use serde_json::{Map, Value};

/// What somebody wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// The number of the last record that they know, where they said so.
    pub after: Option<u64>,
    filter: Filter,
}

/// Which records somebody wants to hear of: for each member that is named, one of the values that are given. No member, all records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Filter(Vec<(&'static str, Vec<String>)>);

/// The members that can be named.
const MEMBERS: [&str; 8] = ["kind", "route", "principal", "authenticator", "target", "outcome", "code", "session"];
/// The most values in one filter.
const MAX_VALUES: usize = 64;

impl Events {
    /// What a request asks for.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(super) fn asked(query: Option<&str>, headers: &HeaderMap) -> Result<Self, String> {
        let after = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
        Ok(Self { after, filter: Filter::parse(query.unwrap_or_default())? })
    }

    /// Adds the event that tells of a line of the log, if it is wanted.
    pub fn tell(&self, out: &mut String, seq: u64, line: &str) {
        if self.filter.admits(line) {
            let kind = line.strip_prefix("{\"kind\":\"").and_then(|rest| rest.split('"').next()).unwrap_or("record");
            // Into memory, they can always be written.
            let _ = write!(out, "id: {seq}\nevent: {kind}\ndata: {line}\n\n");
        }
    }

    /// The event that tells how many records were left out since they came faster than they were taken.
    pub fn left_out(count: u64) -> String {
        format!("event: left_out\ndata: {{\"count\":{count}}}\n\n")
    }
}

impl Filter {
    fn parse(query: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for (nth, (name, value)) in form_urlencoded::parse(query.as_bytes()).enumerate() {
            let member = MEMBERS.iter().find(|member| **member == name);
            let member = member.ok_or_else(|| format!("Records can be chosen by {}.", MEMBERS.join(", ")))?;
            if nth >= MAX_VALUES {
                return Err("There are too many values.".to_owned());
            }
            match filter.0.iter_mut().find(|(known, _)| known == member) {
                Some((_, values)) => values.push(value.into_owned()),
                None => filter.0.push((member, vec![value.into_owned()])),
            }
        }
        Ok(filter)
    }

    fn admits(&self, line: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let members: Map<String, Value> = serde_json::from_str(line).unwrap_or_default();
        let text = |member: &str| members.get(member).and_then(Value::as_str);
        self.0.iter().all(|(member, values)| text(member).is_some_and(|text| values.iter().any(|value| value == text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_told_where_every_member_that_is_named_has_a_value_that_is_wanted() {
        let line = r#"{"kind":"exchange","seq":7,"route":"api","principal":"ada","code":"not_allowed"}"#;
        for (query, want) in [
            ("", true),
            ("route=api", true),
            ("route=other", false),
            ("route=other&route=api", true),
            ("route=api&principal=ada", true),
            ("route=api&principal=bob", false),
            ("principal=a%64a", true),
            ("session=x", false),
        ] {
            let events = Events::asked(Some(query), &HeaderMap::new()).expect("a filter");
            let mut out = String::new();
            events.tell(&mut out, 7, line);
            let told = format!("id: 7\nevent: exchange\ndata: {line}\n\n");
            assert_eq!(out, if want { told } else { String::new() }, "{query}");
        }
        assert!(Events::asked(Some("rout=api"), &HeaderMap::new()).is_err());
        assert!(Events::asked(Some(&"route=x&".repeat(65)), &HeaderMap::new()).is_err());
    }
}
