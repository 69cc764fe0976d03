//! `uniqueItems`, by digests that no client can make equal: the library's own hashes leave out how long and deep a value is, and of large numbers the
//! last digits, so that a list of what hashes alike took the square of its length (CWE-407).

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Number, Value};
use siphasher::sip128::{Hasher128, SipHasher13};

/// The keyword, compiled.
struct UniqueItems {
    is_asked: bool,
    /// One that has a secret of its own and has read nothing.
    fresh: SipHasher13,
}

/// Compiles the keyword.
pub(super) fn unique_items<'a>(
    _: &'a Map<String, Value>,
    asked: &'a Value,
    _: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    let random = || RandomState::new().build_hasher().finish();
    let key = [random().to_le_bytes(), random().to_le_bytes()].concat();
    let fresh = key.as_slice().try_into().map(SipHasher13::new_with_key).unwrap_or_default();
    Ok(Box::new(UniqueItems { is_asked: asked == &Value::Bool(true), fresh }))
}

impl<'i> Keyword<'i> for UniqueItems {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) { Ok(()) } else { Err(ValidationError::custom("an item is there twice")) }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        let Value::Array(items) = instance else { return true };
        let mut seen = HashSet::with_capacity(if self.is_asked { items.len() } else { 0 });
        !self.is_asked || items.iter().all(|item| seen.insert(self.digest(item)))
    }
}

impl UniqueItems {
    fn digest(&self, value: &Value) -> u128 {
        let mut hasher = self.fresh;
        self.read(value, &mut hasher);
        hasher.finish128().as_u128()
    }

    /// Values that are equal by JSON Schema (4.2.2) read the same, and no others: each begins with its sort, and what has parts with their number.
    fn read(&self, value: &Value, hasher: &mut SipHasher13) {
        match value {
            Value::Null => hasher.write_u8(0),
            Value::Bool(is_true) => hasher.write_u8(1 + u8::from(*is_true)),
            Value::Number(number) => read_number(number, hasher),
            Value::String(text) => {
                hasher.write_u8(5);
                hasher.write_usize(text.len());
                hasher.write(text.as_bytes());
            }
            Value::Array(items) => {
                hasher.write_u8(6);
                hasher.write_usize(items.len());
                items.iter().for_each(|item| self.read(item, hasher));
            }
            Value::Object(members) => {
                hasher.write_u8(7);
                hasher.write_usize(members.len());
                // Members have no order.
                let sum = members.iter().fold(0_u128, |sum, (name, value)| {
                    let mut member = self.fresh;
                    member.write_usize(name.len());
                    member.write(name.as_bytes());
                    self.read(value, &mut member);
                    sum.wrapping_add(member.finish128().as_u128())
                });
                hasher.write_u128(sum);
            }
        }
    }
}

/// `1` and `1.0` are the same number.
#[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is within bounds")]
fn read_number(number: &Number, hasher: &mut SipHasher13) {
    const LARGE: f64 = 1e30;
    let whole = number.as_i128().or_else(|| {
        number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < LARGE).map(|float| float as i128)
    });
    match whole {
        Some(whole) => {
            hasher.write_u8(3);
            hasher.write_i128(whole);
        }
        None => {
            hasher.write_u8(4);
            hasher.write_u64(number.as_f64().unwrap_or_default().to_bits());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_unique(items: &str) -> bool {
        let schema = serde_json::json!({"uniqueItems": true});
        let options = jsonschema::options().with_keyword("uniqueItems", unique_items);
        options.build(&schema).expect("a schema").is_valid(&serde_json::from_str(items).expect(items))
    }

    #[test]
    fn what_is_equal_is_found_and_nothing_else() {
        for twice in [
            "[1,1.0]",
            "[0,-0.0]",
            "[1e2,100]",
            "[18446744073709551615,18446744073709551615]",
            "[\"a\",\"\\u0061\"]",
            "[{\"a\":1,\"b\":[2]},{\"b\":[2],\"a\":1}]",
            "[[],[]]",
            "[null,1,null]",
            "[1e300,1e300]",
            "[0.1,0.10]",
        ] {
            assert!(!is_unique(twice), "{twice}");
        }
        for once in [
            "[]",
            "[1,\"1\",true,null,[],{},[1],{\"1\":1},0,false,\"\"]",
            "[18446744073709551615,18446744073709551614]",
            "[9007199254740993,9007199254740992]",
            "[[],[[]],[[],[]],[[[]]]]",
            "[[[],[[]]],[[[]],[]]]",
            "[{\"a\":\"b\"},{\"b\":\"a\"},{\"a\":\"b\",\"c\":null}]",
            "[[\"a\",\"bc\"],[\"ab\",\"c\"]]",
            "[1.5,1e300,1e301,-1.5]",
        ] {
            assert!(is_unique(once), "{once}");
        }
    }
}
