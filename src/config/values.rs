//! The small values of a configuration file: spans of time, sizes, networks, one-or-many, and values that know their place.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::domain::NetworkSet;

/// A value whose place in the file is remembered, for errors. TOML's own, as a type that can be given a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(super) struct Spanned<T>(toml::Spanned<T>);

impl<T> Spanned<T> {
    pub(super) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T> Deref for Spanned<T> {
    type Target = toml::Spanned<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// A span of time, written `250ms`, `30s`, `15m`, `1h 30m`; longer than nothing, at most a year.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period(pub(super) Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let period = humantime::parse_duration(&text)
            .map_err(|_| D::Error::custom("not a span of time; write one such as \"250ms\", \"30s\" or \"15m\""))?;
        if period.is_zero() || period > Duration::from_hours(24 * 366) {
            return Err(D::Error::custom("a span of time is longer than nothing and at most a year"));
        }
        Ok(Self(period))
    }
}

/// A span of time as a [`Period`], or `0s` for none.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeriodOrNone(pub(super) Duration);

impl<'de> Deserialize<'de> for PeriodOrNone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "0s" {
            return Ok(Self(Duration::ZERO));
        }
        Period::deserialize(StrDeserializer::new(&text)).map(|Period(period)| Self(period))
    }
}

/// A number of bytes, written `64KiB`, `10MiB`, `1MB` or as a plain number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(pub(super) u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let size = bytesize::ByteSize::deserialize(deserializer)
            .map_err(|_| D::Error::custom("not a size; write one such as \"64KiB\" or \"10MiB\""))?;
        Ok(Self(size.as_u64()))
    }
}

/// A list of networks, such as `["10.0.0.0/8", "192.0.2.7"]`; a plain address is a network of one.
#[derive(Debug, Default, Clone)]
pub(super) struct Networks(pub(super) NetworkSet);

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let networks = texts.iter().map(|text| network(text).ok_or_else(|| D::Error::custom(BAD_NETWORK)));
        Ok(Self(NetworkSet::new(networks.collect::<Result<_, _>>()?)))
    }
}

const BAD_NETWORK: &str = "not a network; write one such as \"10.0.0.0/8\" or \"2001:db8::/32\", with no host bits set";

fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<std::net::IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().ok()?,
    };
    // Host bits in a network (`10.0.0.1/8`) are most often a slip of the pen in one of its two parts.
    (network.trunc() == network).then_some(network)
}

/// A list that names at least one. Where leaving a key out stands for everything, an empty list would too, and who wrote it meant nothing.
pub(super) fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::<T>::deserialize(deserializer)?;
    if list.is_empty() { Err(D::Error::custom(EMPTY)) } else { Ok(list) }
}

/// Networks, at least one, as [`named`].
pub(super) fn named_networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Networks, D::Error> {
    let networks = Networks::deserialize(deserializer)?;
    if networks.0.is_empty() { Err(D::Error::custom(EMPTY)) } else { Ok(networks) }
}

const EMPTY: &str = "the list is empty; name at least one, or leave the key out for its default";

/// One value, or a list of them.
#[derive(Debug)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData)).map(Self)
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one value or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(StrDeserializer::new(text)).map(|one| vec![one])
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| vec![one])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut many = Vec::new();
        while let Some(one) = seq.next_element()? {
            many.push(one);
        }
        if many.is_empty() { Err(A::Error::custom(EMPTY)) } else { Ok(many) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_no_host_bits() {
        for (text, want) in [
            ("10.0.0.0/8", true),
            ("10.0.0.1/8", false),
            ("192.0.2.7", true),
            ("::1", true),
            ("2001:db8::/32", true),
            ("10.0.0.0/33", false),
            ("all", false),
        ] {
            assert_eq!(network(text).is_some(), want, "{text}");
        }
    }
}
