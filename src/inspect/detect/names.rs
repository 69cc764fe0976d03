//! Tables of names: most words that are asked for are in none, which one look tells.

/// Where names stand in a table, by a hash of them: one look, most often at an empty place, tells that a name is in none. `N` is a power of two,
/// and more than twice the number of names.
pub(in crate::inspect) struct Index<const N: usize>([u16; N]);

impl<const N: usize> Index<N> {
    /// That of a table. Evaluated when this is compiled: one that is too full does not compile.
    pub(in crate::inspect) const fn of<T>(table: &[(&str, T)]) -> Self {
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

    /// That of a table of nothing but names.
    pub(in crate::inspect) const fn of_names<const M: usize>(names: &[&'static str; M]) -> Self {
        let mut table = [("", ()); M];
        let mut at = 0;
        while at < M {
            table[at].0 = names[at];
            at += 1;
        }
        Self::of(&table)
    }

    /// Whether the table, which has to be the same one, has a name.
    pub(in crate::inspect) fn has(&self, names: &[&str], name: &[u8]) -> bool {
        let mut place = hash(name) & (N - 1);
        while let Some(known) = self.0.get(place).and_then(|at| names.get(usize::from(*at))) {
            if known.len() == name.len() && known.as_bytes() == name {
                return true;
            }
            place = (place + 1) & (N - 1);
        }
        false
    }

    /// What the table, which has to be the same one, has for a name.
    pub(in crate::inspect) fn find<T: Copy>(&self, table: &[(&str, T)], name: &[u8]) -> Option<T> {
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
