//! Injection into document databases (CWE-943): operators where a plain value is due, and JavaScript that MongoDB would run.
//!
//! What is an attack at a field is honest where a query is asked for. It is told apart by the way to it: an operator below `filter`, `query`,
//! `pipeline` and such is a query, one below `password` or `id` is not.

use super::{Detector, Found, Input, Part};
use crate::inspect::Class;
use crate::inspect::gate::Bytes;

/// The rules that this gives evidence for.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "nosql.call-prose", "nosql.javascript", "nosql.operator", "nosql.operator-prose", "nosql.operator-text",
];

pub(super) const DETECTOR: Detector = Detector { ids: IDS, classes: &[Class::Nosql], literals: LITERALS, wakes, run };

#[rustfmt::skip]
const LITERALS: &[&str] = &[
    "$ne", "$eq", "$gt", "$lt", "$in", "$nin", "$regex", "$exists", "$not", "$nor", "$or", "$and", "$where", "$expr",
    "$text", "$type", "$size", "$all", "$elemmatch", "$function", "$accumulator", "$mod", "$jsonschema", "db.",
    "this", "obj.", "obj .", "obj[", "while(", "while (", "return",
];

fn wakes(_: &Bytes) -> bool {
    false
}

fn run(input: &Input<'_>, found: &mut Found) {
    if input.is_name {
        name(input, found);
    }
    operator_in_text(input.lower, found);
    javascript(input, found);
}

/// Operators of MongoDB's query language. Those of updates and of pipelines change no condition, and stand where whole documents do.
fn is_operator(name: &[u8]) -> bool {
    matches!(
        name,
        b"$ne"
            | b"$eq"
            | b"$gt"
            | b"$gte"
            | b"$lt"
            | b"$lte"
            | b"$in"
            | b"$nin"
            | b"$regex"
            | b"$exists"
            | b"$not"
            | b"$nor"
            | b"$or"
            | b"$and"
            | b"$where"
            | b"$expr"
            | b"$text"
            | b"$type"
            | b"$size"
            | b"$all"
            | b"$elemmatch"
            | b"$function"
            | b"$accumulator"
            | b"$mod"
            | b"$jsonschema"
    )
}

/// Steps, in lower case, below which a document of a query is expected.
fn asks_for_query(step: &[u8]) -> bool {
    const STEPS: &[&[u8]] = &[
        b"$match",
        b"aggregate",
        b"aggregation",
        b"arrayfilters",
        b"cond",
        b"condition",
        b"conditions",
        b"criteria",
        b"filter",
        b"filters",
        b"find",
        b"having",
        b"match",
        b"pipeline",
        b"predicate",
        b"projection",
        b"queries",
        b"query",
        b"selector",
        b"selectors",
        b"update",
        b"updates",
        b"where",
    ];
    STEPS.binary_search(&step).is_ok()
}

/// An operator as the name of a parameter (`user[$ne]`) or of a key (`{"user": {"$ne": 1}}`).
fn name(input: &Input<'_>, found: &mut Found) {
    let way = if input.trail.is_empty() { input.bytes } else { input.trail };
    let is_key = input.lower.first() == Some(&b'$');
    let mut is_query = false;
    crate::inspect::steps::count(way.len() * 2);
    for step in way.split(|byte| matches!(byte, b'.' | b'[' | b']')).filter(|step| !step.is_empty()) {
        let mut room = [0; 16];
        let Some(lower) = room.get_mut(..step.len()) else { continue };
        lower.copy_from_slice(step);
        lower.make_ascii_lowercase();
        is_query = is_query || asks_for_query(lower);
        if is_operator(lower) && !is_query {
            // A key is given once for itself; what lies below it is not given for it again.
            if is_key && lower != input.lower {
                return;
            }
            found.add("nosql.operator", 0..input.bytes.len());
            return;
        }
    }
}

/// How far from the beginning something still is the beginning.
const NEAR: usize = 24;

/// `{$gt: ''}`, `', $where: '1 == 1`, `[$ne]=1` in a text.
fn operator_in_text(text: &[u8], found: &mut Found) {
    for at in memchr::memchr_iter(b'$', text).take(64) {
        let tail = text.get(at..).unwrap_or_default();
        let len = 1 + tail.iter().skip(1).take(16).take_while(|byte| byte.is_ascii_alphabetic()).count();
        if !is_operator(tail.get(..len).unwrap_or_default()) {
            continue;
        }
        let before = text.get(..at).unwrap_or_default().trim_ascii_end().last().copied();
        let behind = tail.get(len..).unwrap_or_default();
        let words = text.get(..at).unwrap_or_default().split(u8::is_ascii_whitespace);
        let is_near = at <= NEAR && words.filter(|word| word.iter().any(u8::is_ascii_alphanumeric)).count() <= 1;
        if before == Some(b'[') && behind.starts_with(b"]") && is_near && text.first() == Some(&b'[') {
            found.add("nosql.operator-text", at..at + len);
        }
        let behind = behind.trim_ascii_start();
        let behind =
            behind.strip_prefix(b"\"").or_else(|| behind.strip_prefix(b"'")).unwrap_or(behind).trim_ascii_start();
        let Some(operand) = behind.strip_prefix(b":").map(<[u8]>::trim_ascii_start) else { continue };
        if matches!(before, None | Some(b'{' | b',' | b'"' | b'\'')) && is_operand(operand) {
            found.add(if is_near { "nosql.operator-text" } else { "nosql.operator-prose" }, at..at + len);
            return;
        }
    }
}

/// Whether this is a value, and not a type: GraphQL declares `$where: Filter`.
fn is_operand(text: &[u8]) -> bool {
    match text.first() {
        Some(b'"' | b'\'' | b'{' | b'/' | b'0'..=b'9' | b'-') => true,
        Some(b'[') => !text.get(1).is_some_and(u8::is_ascii_alphabetic),
        Some(_) => [&b"null"[..], b"true", b"false", b"function", b"new "].iter().any(|word| text.starts_with(word)),
        None => false,
    }
}

fn javascript(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    let start = if input.part == Part::Path { text.iter().position(|byte| *byte != b'/').unwrap_or(0) } else { 0 };
    if let Some(at) = calls_collection(text) {
        let lead = text.get(start..at).unwrap_or_default();
        let is_first = lead.len() <= NEAR && !lead.iter().any(u8::is_ascii_alphabetic);
        found.add(if is_first { "nosql.javascript" } else { "nosql.call-prose" }, at..text.len());
    }
    if waits(text) || breaks_out(text) || text.get(start..).is_some_and(|text| compares_document(text, b"this")) {
        found.add("nosql.javascript", start..text.len());
    }
}

/// `db.users.drop(`.
fn calls_collection(text: &[u8]) -> Option<usize> {
    super::places(text, b"db.").take(16).find(|at| {
        let is_start =
            at.checked_sub(1).and_then(|at| text.get(at)).is_none_or(|byte| !is_name(*byte) && *byte != b'.');
        let behind = text.get(at + 3..).unwrap_or_default();
        let (_, behind) = behind.split_at(name_len(behind));
        let Some(behind) = behind.strip_prefix(b".") else { return false };
        let (method, behind) = behind.split_at(name_len(behind));
        is_start && behind.trim_ascii_start().starts_with(b"(") && is_method(method)
    })
}

fn is_method(name: &[u8]) -> bool {
    matches!(
        name,
        b"insert"
            | b"insertone"
            | b"insertmany"
            | b"find"
            | b"findone"
            | b"findandmodify"
            | b"remove"
            | b"deleteone"
            | b"deletemany"
            | b"update"
            | b"updateone"
            | b"updatemany"
            | b"drop"
            | b"mapreduce"
            | b"aggregate"
            | b"save"
            | b"count"
            | b"distinct"
            | b"renamecollection"
            | b"createindex"
            | b"dropindex"
            | b"group"
            | b"eval"
    )
}

/// A loop that goes on until some time has passed: blind injection where nothing sleeps.
fn waits(text: &[u8]) -> bool {
    let has = |what: &[u8]| memchr::memmem::find(text, what);
    let Some(clock) = has(b"new date(").or_else(|| has(b"date.now(")).or_else(|| has(b"new date;")) else {
        return false;
    };
    let Some(turn) = has(b"while(").or_else(|| has(b"while (")) else { return false };
    let condition = text.get(turn..).unwrap_or_default();
    let condition = condition.get(..condition.len().min(80)).unwrap_or_default();
    let measures = condition.contains(&b'-') && condition.iter().any(|byte| matches!(byte, b'<' | b'>'));
    measures && clock < turn + 80
}

/// `'; return true`, `' || this.a == 1`, `1; return 1`: behind the first quote, or behind a number.
fn breaks_out(text: &[u8]) -> bool {
    let quote = text.iter().position(|byte| matches!(byte, b'\'' | b'"'));
    let number = text.iter().take(NEAR).take_while(|byte| byte.is_ascii_digit() || byte.is_ascii_whitespace()).count();
    let starts = [quote.map(|at| at + 1), (number < NEAR).then_some(number)];
    starts.into_iter().flatten().any(|at| {
        let closes = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b')' | b'}' | b']' | b'"' | b'\'');
        let behind = text.get(at..).unwrap_or_default();
        let behind = behind.get(behind.iter().take(NEAR).take_while(|byte| closes(byte)).count()..).unwrap_or_default();
        let Some(behind) = [&b";"[..], b"&&", b"||"].iter().find_map(|join| behind.strip_prefix(*join)) else {
            return false;
        };
        let behind = behind.trim_ascii_start();
        let is_return = behind.strip_prefix(b"return").is_some_and(|rest| {
            let rest = rest.trim_ascii_start();
            rest.first().is_some_and(|byte| matches!(byte, b'(' | b'\'' | b'"' | b'0'..=b'9' | b'!' | b';' | b'/'))
                || [&b"true"[..], b"false", b"this", b"null"].iter().any(|word| rest.starts_with(word))
        });
        is_return || compares_document(behind, b"this") || compares_document(behind, b"obj")
    })
}

/// `this.password == `, `this['password'].match(/`: the document that `$where` looks at, which old versions call `obj`.
fn compares_document(text: &[u8], document: &[u8]) -> bool {
    let Some(behind) = text.strip_prefix(document) else { return false };
    let behind = behind.trim_ascii_start();
    let behind = if let Some(member) = behind.strip_prefix(b".") {
        let member = member.trim_ascii_start();
        member.get(name_len(member)..).unwrap_or_default()
    } else if behind.starts_with(b"['") || behind.starts_with(b"[\"") {
        let Some(end) = behind.iter().take(64).position(|byte| *byte == b']') else { return false };
        behind.get(end + 1..).unwrap_or_default()
    } else {
        return false;
    };
    let behind = behind.trim_ascii_start();
    [&b"=="[..], b"!=", b">", b"<", b".match(", b".length", b".test(", b".charat(", b".substr"]
        .iter()
        .any(|next| behind.starts_with(next))
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}

fn name_len(text: &[u8]) -> usize {
    text.iter().take(64).take_while(|byte| is_name(**byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn met(trail: &str, value: &str, is_name: bool) -> Vec<&'static str> {
        let lower = value.to_ascii_lowercase();
        let occurs = Bytes::of(value.as_bytes());
        let mut found = Found::default();
        let input = Input {
            bytes: value.as_bytes(),
            lower: lower.as_bytes(),
            part: Part::Body,
            trail: trail.as_bytes(),
            is_name,
            occurs: &occurs,
        };
        if LITERALS.iter().any(|literal| lower.contains(literal)) {
            run(&input, &mut found);
        }
        found.evidence.iter().map(|(id, _)| *id).collect()
    }

    #[test]
    fn operators_are_attacks_where_a_value_is_due() {
        for (trail, name, is_attack) in [
            ("username[$ne]", "username[$ne]", true),
            ("user[name][$regex]", "user[name][$regex]", true),
            ("password[$GT]", "password[$GT]", true),
            ("username.$ne", "$ne", true),
            ("items[0].id.$in", "$in", true),
            ("$where", "$where", true),
            ("$or", "$or", true),
            ("filter.email.$ne", "$ne", false),
            ("filter.$or[0].a.$gt", "$gt", false),
            ("pipeline[0].$match.a.$ne", "$ne", false),
            ("filters[title][$eq]", "filters[title][$eq]", false),
            ("queries[0].where.a.$in", "$in", false),
            ("$filter", "$filter", false),
            ("$select", "$select", false),
            ("$ref", "$ref", false),
            ("schema.$type", "$typeof", false),
            ("price[gt]", "price[gt]", false),
            ("update.$set", "$set", false),
        ] {
            assert_eq!(!met(trail, name, true).is_empty(), is_attack, "{trail}");
        }
    }

    #[test]
    fn operators_and_scripts_in_values_are_attacks() {
        for value in [
            "{\"$gt\": \"\"}",
            "{$ne: 1}",
            "{ $regex: '.*' }",
            "true, $where: '1 == 1'",
            "', $or: [ {}, { 'a':'a",
            "' } ], $nor: [ { 'a': 1",
            "[$ne]=1",
            "db.users.drop()",
            "1;db.users.remove({})",
            "'; return true; var a='",
            "';return(true);'",
            "1; return true",
            "' || this.password.match(/^a/) || '",
            "' || this['password'] == 'x",
            "' || obj . password.match(/.*/)//",
            "' && this.password.length > 0 //",
            "this.password == 'a'",
            "';it=new Date();do{pt=new Date();}while(pt-it<5000);'",
            "0;var d=new Date();do{c=new Date();}while(c-d<10000)",
            "a'); return 1; //",
        ] {
            let ids = met("q", value, false);
            assert!(ids.iter().any(|id| matches!(*id, "nosql.operator-text" | "nosql.javascript")), "{value} {ids:?}");
        }
        for value in [
            "query Q($where: Filter, $in: [Id!]) { a(where: $where) { id } }",
            "It costs $in the end: nothing",
            "see db.example.com/find (mirror)",
            "mongo docs say use { $ne: null } in the filter, which works",
            "const s = 'a'; return s;",
            "return this.value",
            "don't; return it",
            "while (true) { this.x = 1 }",
            "$type",
            "echo $in; echo $all",
            "this.name is fine",
        ] {
            let ids = met("q", value, false);
            assert!(!ids.iter().any(|id| matches!(*id, "nosql.operator-text" | "nosql.javascript")), "{value} {ids:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_read(trail in "[a-z$.\\[\\]]{0,20}", value in "(?s)[$a-z{}:'\";.=\\[\\] \\PC]{0,60}", is_name in any::<bool>()) {
            let _ = met(&trail, &format!("$ne db.a.find( this. {value}"), is_name);
            let _ = met(&trail, &value, is_name);
        }
    }
}
