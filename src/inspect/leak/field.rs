//! The value of one header field: short, and whole. Looked at for secrets alone, since fields are full of numbers and addresses that mean
//! something.

use super::found::{Counts, Found};
use super::profile::LeakProfile;
use super::view::View;

/// What a field's value comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Field {
    /// It goes on as it is.
    Clean,
    /// It goes on like this.
    Masked(Vec<u8>),
    /// The response is refused for it.
    Blocked,
}

/// The shortest secret that is known, in bytes: most fields are shorter.
const SHORTEST: usize = 20;

impl LeakProfile {
    /// Looks at the value of a field, and adds what it found.
    pub fn look_at_field(&self, value: &[u8], counts: &mut Counts) -> Field {
        let Some(literals) = self.literals.as_ref().filter(|_| value.len() >= SHORTEST) else { return Field::Clean };
        let mut found = Found::new(self.actions);
        literals.scan(&View { before: &[], text: value, is_end: true }, 0, &mut None, &mut found);
        counts.add(&found.counts);
        if found.is_blocked {
            return Field::Blocked;
        }
        if found.masks.is_empty() {
            return Field::Clean;
        }
        let mut masked = value.to_vec();
        for (range, _) in found.masks {
            masked.get_mut(range).unwrap_or_default().fill(b'*');
        }
        Field::Masked(masked)
    }
}
