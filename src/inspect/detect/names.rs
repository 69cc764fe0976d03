//! Tables of names, sorted: most words that are asked for are in none, and are told by their first letter and length.

/// For each first byte (of ASCII), the lengths that names which begin with it have, as bits.
pub(super) struct Lengths([u32; 128]);

impl Lengths {
    /// Those of no table.
    pub(super) const NONE: Self = Self([0; 128]);

    /// These, and those of this table. Evaluated when this is compiled: a name that is too long or not ASCII does not compile.
    pub(super) const fn and(mut self, names: &[&str]) -> Self {
        let mut at = 0;
        while at < names.len() {
            let name = names[at].as_bytes();
            self.0[name[0] as usize] |= 1 << name.len();
            at += 1;
        }
        self
    }

    /// Whether a name like this one is in a table.
    pub(super) fn fits(&self, name: &[u8]) -> bool {
        let first = name.first().and_then(|first| self.0.get(usize::from(*first))).copied().unwrap_or(0);
        name.len() < 32 && first >> name.len() & 1 != 0
    }
}

/// Where names stand in a table, by a hash of them: one look, most often at an empty place, tells that a name is in none. `N` is a power of two,
/// and more than twice the number of names.
pub(super) struct Index<const N: usize>([u16; N]);

impl<const N: usize> Index<N> {
    /// That of a table. Evaluated when this is compiled: one that is too full does not compile.
    pub(super) const fn of<T>(table: &[(&str, T)]) -> Self {
        assert!(N.is_power_of_two() && table.len() * 2 < N && table.len() < u16::MAX as usize, "too full");
        let mut places = [u16::MAX; N];
        let mut at = 0;
        while at < table.len() {
            let mut place = hash(table[at].0.as_bytes()) & (N - 1);
            while places[place] != u16::MAX {
                place = (place + 1) & (N - 1);
            }
            places[place] = at as u16;
            at += 1;
        }
        Self(places)
    }

    /// What the table, which has to be the same one, has for a name.
    pub(super) fn find<T: Copy>(&self, table: &[(&str, T)], name: &[u8]) -> Option<T> {
        let mut place = hash(name) & (N - 1);
        loop {
            let (known, what) = table.get(usize::from(*self.0.get(place)?))?;
            if known.len() == name.len() && known.as_bytes() == name {
                return Some(*what);
            }
            place = (place + 1) & (N - 1);
        }
    }
}

/// A hash of the length and of three bytes, which tell most names apart. The tables are fixed, so that nobody can choose names that collide.
const fn hash(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let (first, middle, last) = (name[0] as usize, name[name.len() / 2] as usize, name[name.len() - 1] as usize);
    let second = if name.len() > 1 { name[1] as usize } else { 0 };
    let mixed = (first << 24 | second << 16 | middle << 8 | last) ^ (name.len() << 5);
    mixed.wrapping_mul(0x9e37_79b1) >> 13 & 0xffff
}

/// Whether a sorted table has this name.
pub(super) fn is_in(names: &[&str], name: &[u8]) -> bool {
    names.binary_search_by(|known| known.as_bytes().cmp(name)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[(&str, u8)] = &[("and", 1), ("or", 2), ("xor", 3), ("not", 4)];
    static INDEX: Index<16> = Index::of(TABLE);

    #[test]
    fn names_are_found_and_others_are_not() {
        for (name, want) in TABLE {
            assert_eq!(INDEX.find(TABLE, name.as_bytes()), Some(*want));
        }
        for name in [&b""[..], b"a", b"an", b"ands", b"nor", b"\xff\xff"] {
            assert_eq!(INDEX.find(TABLE, name), None);
        }
    }
}
