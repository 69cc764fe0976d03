//! `Signature-Input` and `Signature` (RFC 9421 §4): what was signed, and the signature.

use sfv::{BareItem, Dictionary, InnerList, ListEntry, Parameters, Parser, SerializeValue as _};

use crate::authn::structured::canonical;
use crate::domain::AuthnFault;

/// One signature as a request presents it. Nothing of it is proved.
#[derive(Debug)]
pub(super) struct Presented {
    pub(super) components: Vec<Component>,
    pub(super) parameters: Params,
    /// The value of `@signature-params` (RFC 9421 §2.3).
    pub(super) params_text: String,
    pub(super) signature: Vec<u8>,
}

/// One covered component.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Component {
    /// A derived component's name with its `@`, or a field's name in lower case.
    pub(super) name: String,
    /// The `name` of `@query-param`, as it was written.
    pub(super) parameter: Option<String>,
    /// The identifier as it stands in the signature base.
    pub(super) identifier: String,
}

/// The signature's parameters (RFC 9421 §2.3).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Params {
    /// Seconds since 1970.
    pub(super) created: Option<u64>,
    pub(super) expires: Option<u64>,
    pub(super) nonce: Option<String>,
    pub(super) alg: Option<String>,
    pub(super) keyid: Option<String>,
    pub(super) tag: Option<String>,
}

/// The longest `Signature-Input` and `Signature` taken, in bytes.
pub(super) const MAX_FIELD: usize = 8 * 1024;
/// The most components that a signature may cover.
pub(super) const MAX_COMPONENTS: usize = 64;
/// The longest text of a parameter, in bytes.
pub(super) const MAX_TEXT: usize = 256;

/// Reads the one signature of a request: the one with this label, or where there is none, the only one.
pub(super) fn parse(input: &[u8], signature: &[u8], label: Option<&str>) -> Result<Presented, AuthnFault> {
    let (inputs, signatures) = (dictionary(input)?, dictionary(signature)?);
    let label = match label {
        Some(label) => label,
        None if inputs.len() > 1 || signatures.len() > 1 => return Err(AuthnFault::Several),
        None => inputs.keys().next().ok_or(AuthnFault::Malformed)?,
    };
    let (Some(ListEntry::InnerList(covered)), Some(ListEntry::Item(signature))) =
        (inputs.get(label), signatures.get(label))
    else {
        return Err(AuthnFault::Malformed);
    };
    let signature = signature.bare_item.as_byte_seq().ok_or(AuthnFault::Malformed)?;
    Ok(Presented {
        components: components(covered)?,
        parameters: parameters(&covered.params)?,
        params_text: serialized(ListEntry::InnerList(covered.clone()))?,
        signature: signature.clone(),
    })
}

fn dictionary(field: &[u8]) -> Result<Dictionary, AuthnFault> {
    if field.len() > MAX_FIELD {
        return Err(AuthnFault::Malformed);
    }
    let members = Parser::parse_dictionary(field).map_err(|_| AuthnFault::Malformed)?;
    if canonical(&members, field) { Ok(members) } else { Err(AuthnFault::Malformed) }
}

fn serialized(entry: ListEntry) -> Result<String, AuthnFault> {
    vec![entry].serialize_value().map_err(|_| AuthnFault::Malformed)
}

fn components(covered: &InnerList) -> Result<Vec<Component>, AuthnFault> {
    if covered.items.len() > MAX_COMPONENTS {
        return Err(AuthnFault::Malformed);
    }
    let mut components = Vec::with_capacity(covered.items.len());
    for item in &covered.items {
        let name = item.bare_item.as_str().ok_or(AuthnFault::Malformed)?.to_owned();
        let parameter = match (name.as_str(), item.params.len()) {
            ("@query-param", 1) => Some(text(item.params.get("name").ok_or(AuthnFault::Component)?)?),
            (_, 0) => None,
            // `sf`, `bs`, `key`, `req` and `tr` change what is signed: what is not understood is not taken as something else.
            _ => return Err(AuthnFault::Component),
        };
        let component = Component { identifier: serialized(ListEntry::Item(item.clone()))?, name, parameter };
        // RFC 9421 §2.5: each component once.
        if components.contains(&component) {
            return Err(AuthnFault::Component);
        }
        components.push(component);
    }
    Ok(components)
}

fn parameters(given: &Parameters) -> Result<Params, AuthnFault> {
    let mut params = Params::default();
    for (name, value) in given {
        match name.as_str() {
            "created" => params.created = Some(seconds(value)?),
            "expires" => params.expires = Some(seconds(value)?),
            "nonce" => params.nonce = Some(text(value)?),
            "alg" => params.alg = Some(text(value)?),
            "keyid" => params.keyid = Some(text(value)?),
            "tag" => params.tag = Some(text(value)?),
            // It might restrict what the signature is good for.
            _ => return Err(AuthnFault::Critical),
        }
    }
    Ok(params)
}

fn seconds(value: &BareItem) -> Result<u64, AuthnFault> {
    value.as_int().and_then(|seconds| u64::try_from(seconds).ok()).ok_or(AuthnFault::Malformed)
}

fn text(value: &BareItem) -> Result<String, AuthnFault> {
    let text = value.as_str().filter(|text| (1..=MAX_TEXT).contains(&text.len()));
    text.map(str::to_owned).ok_or(AuthnFault::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_one_canonical_signature_is_refused() {
        use AuthnFault::{Component, Critical, Malformed, Several};
        let good = r#"s=("@method");created=1;keyid="k""#;
        let long = format!(r#"s=("@method");created=1;keyid="{}""#, "k".repeat(MAX_TEXT + 1));
        let huge = format!(r#"s=("@method");created=1;keyid="{}""#, "k".repeat(MAX_FIELD));
        let many = (0..=MAX_COMPONENTS).map(|n| format!("\"h{n}\"")).collect::<Vec<_>>().join(" ");
        let many = format!("s=({many});created=1");
        for (input, signature, label, want) in [
            (good, "s=:AAAA:", None, None),
            (good, "s=:AAAA:", Some("s"), None),
            (good, "s=:AAAA:", Some("t"), Some(Malformed)),
            (good, "t=:AAAA:", None, Some(Malformed)),
            (good, "s=AAAA", None, Some(Malformed)),
            (good, "s=:AAAA:;x", None, None),
            (good, "s=:AAAA:, s=:BBBB:", None, Some(Malformed)),
            (good, "s=:AAAA:, t=:BBBB:", None, Some(Several)),
            (good, "s=:AAAA:, t=:BBBB:", Some("s"), None),
            // The same bytes in other spellings: no padding, bits beyond the last byte, none at all.
            (good, "s=:AA:", None, Some(Malformed)),
            (good, "s=:AAB=:", None, Some(Malformed)),
            (good, "s=:AA-_:", None, Some(Malformed)),
            (good, "s=", None, Some(Malformed)),
            (good, "", None, Some(Malformed)),
            ("", "s=:AAAA:", None, Some(Malformed)),
            (r#"s=("@method");created=1, t=("@method");created=1"#, "s=:AAAA:", None, Some(Several)),
            (r#"s=("@method");created=1, s=("@path");created=1"#, "s=:AAAA:", None, Some(Malformed)),
            (r#"s=("@method");created=1;created=2"#, "s=:AAAA:", None, Some(Malformed)),
            (r#"s=( "@method" );created=1"#, "s=:AAAA:", None, Some(Malformed)),
            (r#"s=("@method"); created=1"#, "s=:AAAA:", None, Some(Malformed)),
            (r#"s="@method";created=1"#, "s=:AAAA:", None, Some(Malformed)),
            (r#"s=(method);created=1"#, "s=:AAAA:", None, Some(Malformed)),
            (r#"s=("@method");created="1""#, "s=:AAAA:", None, Some(Malformed)),
            (r#"s=("@method");created=-1"#, "s=:AAAA:", None, Some(Malformed)),
            (r#"s=("@method");created=1.5"#, "s=:AAAA:", None, Some(Malformed)),
            (r#"s=("@method");keyid=k"#, "s=:AAAA:", None, Some(Malformed)),
            (r#"s=("@method");nonce="""#, "s=:AAAA:", None, Some(Malformed)),
            (r#"s=("@method");audience="x""#, "s=:AAAA:", None, Some(Critical)),
            (r#"s=("@method" "@method");created=1"#, "s=:AAAA:", None, Some(Component)),
            (r#"s=("@method";req);created=1"#, "s=:AAAA:", None, Some(Component)),
            (r#"s=("accept";sf);created=1"#, "s=:AAAA:", None, Some(Component)),
            (r#"s=("@query-param");created=1"#, "s=:AAAA:", None, None),
            (r#"s=("@query-param";name="a";req);created=1"#, "s=:AAAA:", None, Some(Component)),
            (r#"s=("@query-param";key="a");created=1"#, "s=:AAAA:", None, Some(Component)),
            (&long, "s=:AAAA:", None, Some(Malformed)),
            (&huge, "s=:AAAA:", None, Some(Malformed)),
            (&many, "s=:AAAA:", None, Some(Malformed)),
        ] {
            assert_eq!(parse(input.as_bytes(), signature.as_bytes(), label).err(), want, "{input} {signature}");
        }
    }

    #[test]
    fn parameters_are_kept_in_the_order_in_which_they_came() {
        let input = br#"s=("@method" "@query-param";name="a b");keyid="k";created=1;tag="t""#;
        let presented = parse(input, b"s=:AAAA:", None).expect("a signature");
        assert_eq!(presented.params_text.as_bytes(), &input[2..]);
        assert_eq!(presented.components[1].identifier, r#""@query-param";name="a b""#);
        assert_eq!(presented.components[1].parameter.as_deref(), Some("a b"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(input in proptest::collection::vec(any::<u8>(), 0..64)) {
            drop(parse(&input, b"s=:AAAA:", None));
            drop(parse(b"s=();created=1", &input, None));
        }
    }
}
