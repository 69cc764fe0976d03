//! Injection into filters of LDAP (CWE-90, RFC 4515): a value that closes the condition it is put in, or is a filter of its own.

use super::{Detector, Found, Input};
use crate::inspect::Class;
use crate::inspect::gate::Bytes;

/// The rules that this gives evidence for.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "ldap.break-out", "ldap.filter", "ldap.filter-asked-for", "ldap.matching-rule",
];

pub(super) const DETECTOR: Detector = Detector { ids: IDS, classes: &[Class::Ldap], literals: LITERALS, wakes, run };

const LITERALS: &[&str] = &[")(", ") (", "*)", ")!", ")|", ")&", ")\t", ")\n", ")\r", ")\0", "(&(", "(|(", ":=", "))"];

fn wakes(_: &Bytes) -> bool {
    false
}

fn run(input: &Input<'_>, found: &mut Found) {
    let text = input.lower;
    if let Some(at) = breaks_out(text) {
        found.add("ldap.break-out", at..text.len());
    }
    if let Some(at) = filter(text) {
        // Where the field is one for filters, a whole one is what is asked for.
        let asks = input.trail.last_chunk::<6>().is_some_and(|end| end.eq_ignore_ascii_case(b"filter"));
        let is_whole = text.trim_ascii_start().first() == Some(&b'(');
        found.add(if asks && is_whole { "ldap.filter-asked-for" } else { "ldap.filter" }, at..text.len());
    }
    if let Some(at) = matching_rule(text) {
        found.add("ldap.matching-rule", at..text.len());
    }
}

/// A parenthesis that the value did not open, and behind it the beginning of another condition: `*)(uid=`, `x)(|(cn=*`, `*))` and a NUL.
fn breaks_out(text: &[u8]) -> Option<usize> {
    crate::inspect::steps::count(text.len() / 2);
    let mut depth = 0usize;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b')' => {
                let behind = text.get(at + 1..).unwrap_or_default();
                let closers = behind.iter().take(8).take_while(|byte| **byte == b')').count();
                let behind = behind.get(closers..).unwrap_or_default();
                // A NUL cuts off the rest of the filter in programs of C.
                let is_cut = behind.first() == Some(&0) || behind.starts_with(b"%00");
                return (is_cut || joins_condition(behind) || begins_condition(behind)).then_some(at);
            }
            _ => {}
        }
    }
    None
}

/// `!(sn=`, `|(uid=*`: an operator where the filter that it is put into has a condition.
fn joins_condition(text: &[u8]) -> bool {
    let rest = text.strip_prefix(b"!").or_else(|| text.strip_prefix(b"|")).or_else(|| text.strip_prefix(b"&"));
    let condition = rest.and_then(|rest| rest.strip_prefix(b"("));
    condition.is_some_and(|condition| attribute(condition).is_some())
}

/// `(cn=`, `(|(cn=`, `(&)`, `(!(&(a=`; blanks before it, and operators that end the value: `(|`, `(|(&`. What the application puts behind it closes them.
fn begins_condition(text: &[u8]) -> bool {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0);
    let blanks = text.iter().take(4).take_while(|byte| is_blank(byte)).count();
    let Some(mut rest) = text.get(blanks..).and_then(|rest| rest.strip_prefix(b"(")) else { return false };
    if matches!(rest.trim_ascii(), b"|" | b"&" | b"!") {
        return true;
    }
    let (mut joins, mut operators) = (0, 0);
    while let Some(inner) = rest
        .strip_prefix(b"(")
        .or_else(|| rest.strip_prefix(b"&"))
        .or_else(|| rest.strip_prefix(b"|"))
        .or_else(|| rest.strip_prefix(b"!"))
    {
        joins += 1;
        operators += usize::from(!rest.starts_with(b"("));
        rest = inner;
        if joins > 16 {
            return false;
        }
    }
    let ends = joins > 1 && rest.is_empty() && (operators > 1 || text.contains(&b'!'));
    ends || joins > 0 && (rest.first() == Some(&b')') || rest.starts_with(b"*")) || attribute(rest).is_some()
}

/// The length of an attribute and what compares it: `cn=`, `userpassword;lang-de~=`, `a>=`.
fn attribute(text: &[u8]) -> Option<usize> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b';' | b'.');
    let len = text.iter().take(64).take_while(|byte| is_part(byte)).count();
    let behind = text.get(len..).unwrap_or_default();
    let sign = match *behind {
        [b'=', next, ..] if next != b'=' => 1,
        [b'='] => 1,
        [b'~' | b'>' | b'<', b'=', ..] => 2,
        _ => return None,
    };
    let is_named = text.first().is_some_and(u8::is_ascii_alphanumeric);
    is_named.then_some(len + sign)
}

/// `(&(uid=a)...`, `(|(cn=*)`.
fn filter(text: &[u8]) -> Option<usize> {
    let starts = super::places(text, b"(&(").chain(super::places(text, b"(|("));
    starts.take(16).find(|at| {
        let inner = text.get(at + 3..).unwrap_or_default();
        let inner = inner
            .strip_prefix(b"!(")
            .or_else(|| inner.strip_prefix(b"&("))
            .or_else(|| inner.strip_prefix(b"|("))
            .unwrap_or(inner);
        attribute(inner).is_some()
    })
}

/// `userpassword:2.5.13.18:=`, `cn:dn:=`, `:caseignorematch:=`.
fn matching_rule(text: &[u8]) -> Option<usize> {
    super::places(text, b":=").take(16).find(|at| {
        let before = text.get(..*at).unwrap_or_default();
        let rule =
            before.iter().rev().take(40).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'.').count();
        let name = before.get(before.len() - rule..).unwrap_or_default();
        let is_parted = before.len().checked_sub(rule + 1).and_then(|at| before.get(at)) == Some(&b':');
        let is_oid = name.iter().filter(|byte| **byte == b'.').count() >= 2
            && name.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
            && name.first().is_some_and(u8::is_ascii_digit);
        is_parted && (is_oid || name == b"dn" || name.ends_with(b"match"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Part;
    use proptest::prelude::*;

    fn met(trail: &str, value: &[u8]) -> Vec<&'static str> {
        let lower = value.to_ascii_lowercase();
        let occurs = Bytes::of(value);
        let mut found = Found::default();
        let input = Input {
            bytes: value,
            lower: &lower,
            part: Part::Query,
            trail: trail.as_bytes(),
            is_name: false,
            occurs: &occurs,
        };
        if LITERALS.iter().any(|literal| memchr::memmem::find(&lower, literal.as_bytes()).is_some()) {
            run(&input, &mut found);
        }
        found.evidence.iter().map(|(id, _)| *id).collect()
    }

    #[test]
    fn break_outs_are_found() {
        for value in [
            "*)(uid=*))(|(uid=*",
            "admin)(&)",
            "admin) (&)",
            "admin)\t(|",
            "admin)\0(&)",
            "admin)!(sn=*",
            "x)|(uid=*",
            "admin)(|",
            "admin))(|(|",
            "admin)(&(&",
            "*))(|(&",
            "admin)(!(&(|",
            "admin)(!(&(1=0",
            "x)(|(cn=*",
            "*)(objectClass=*",
            "*)((|userPassword=*)",
            "admin*)((|userpassword=*)",
            "*))\0",
            "*))%00",
            "a)(sn>=a",
            "(&(uid=admin)(!(&(1=0)(userPassword=q))))",
            "*(|(mail=*))",
            "*(|(objectclass=*))",
            "userPassword:2.5.13.18:=123",
            "cn:dn:=x",
            "cn:caseExactMatch:=x",
        ] {
            assert!(!met("q", value.as_bytes()).is_empty(), "{value}");
        }
    }

    #[test]
    fn parentheses_of_prose_and_code_are_not() {
        for value in [
            "see (a)(b) and (c)",
            "f(x)(y=1)",
            "if (!(fp=fopen(p)))",
            "if (&(a) == b)",
            "a) first (b) second",
            "[link](https://a.b/c_(d)) :)",
            ":-) (see note=x)",
            "^(a|(b|c))*$",
            "x := (a)(b)",
            "smile :)) (=",
            "ratio 1:=2",
            "(|(x)|)",
            "foo(*)(args)",
            "a) (see b=c)",
            "if x)&&(y=1)",
            "1) (ok)",
            "b)|(c)",
            "x)((",
            "f(x))((",
            "x)((|",
            "(a|b)(|(c|d))",
        ] {
            assert!(met("q", value.as_bytes()).is_empty(), "{value} {:?}", met("q", value.as_bytes()));
        }
        assert_eq!(met("ldap.userFilter", b"(&(objectClass=user)(cn=a))"), ["ldap.filter-asked-for"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_read(value in "[()&|!*=:.a0\\x00~<> ]{0,60}") {
            let _ = met("q", value.as_bytes());
        }
    }
}
