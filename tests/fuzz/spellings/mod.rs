//! Other spellings of the same: what a text in an attack can be replaced by without the attack being none any more.

mod code;
mod markup;
mod sql;
mod system;

/// Other spellings, of a name: for these classes, each of these texts (in whatever case) becomes one of those.
pub(crate) struct Spelling {
    pub(crate) name: &'static str,
    pub(crate) classes: &'static [&'static str],
    pub(crate) pairs: &'static [(&'static str, &'static [&'static str])],
}

const fn of(
    name: &'static str,
    classes: &'static [&'static str],
    pairs: &'static [(&'static str, &'static [&'static str])],
) -> Spelling {
    Spelling { name, classes, pairs }
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Spelling> {
    [sql::SPELLINGS, markup::SPELLINGS, system::SPELLINGS, code::SPELLINGS].into_iter().flatten()
}
