//! How many different things there were, without keeping them.

use serde::{Deserialize, Serialize};

/// Counts different hashes: to the number for the first few, then by HyperLogLog (Flajolet et al. 2007) with 256 registers, whose standard
/// error is 6.5%. Costs nothing while empty, and 264 bytes at most. Of a hash, 32 bits are plenty for both.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) enum Distinct {
    #[default]
    None,
    Few(Vec<u32>),
    Many(Box<Registers>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Vec<u8>", into = "Vec<u8>")]
pub(super) struct Registers {
    all: [u8; REGISTERS],
    /// The sum of 2 to the power of minus each.
    sum: f32,
    zeros: u16,
}

const REGISTERS: usize = 256;
const FEW: usize = 24;
/// The constant of HyperLogLog for 256 registers.
const ALPHA: f64 = 0.7213 / (1.0 + 1.079 / 256.0);

impl Distinct {
    /// Counts a hash, whose bits have to be as good as random.
    #[expect(clippy::cast_possible_truncation, reason = "half of it will do")]
    pub(super) fn add(&mut self, hash: u64) {
        let hash = hash as u32;
        match self {
            Self::None => *self = Self::Few(vec![hash]),
            Self::Few(few) if few.contains(&hash) => {}
            Self::Few(few) if few.len() < FEW => few.push(hash),
            Self::Few(few) => {
                let mut many = Registers::new();
                few.iter().for_each(|one| many.add(*one));
                many.add(hash);
                *self = Self::Many(Box::new(many));
            }
            Self::Many(many) => many.add(hash),
        }
    }

    /// How many there were, about.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Few(few) => few.len() as u64,
            Self::Many(many) => many.count(),
        }
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) {
        *self = Self::None;
    }
}

impl From<Registers> for Vec<u8> {
    fn from(registers: Registers) -> Self {
        registers.all.to_vec()
    }
}

impl From<Vec<u8>> for Registers {
    fn from(ranks: Vec<u8>) -> Self {
        let mut registers = Self::new();
        ranks.into_iter().take(REGISTERS).enumerate().for_each(|(nth, rank)| registers.raise(nth, rank));
        registers
    }
}

impl Registers {
    fn new() -> Self {
        Self { all: [0; REGISTERS], sum: 256.0, zeros: 256 }
    }

    fn add(&mut self, hash: u32) {
        // The position of the first bit that is set in the other 24, counted from one.
        let rank = u8::try_from(((hash >> 8) | (1 << 24)).trailing_zeros() + 1).unwrap_or(u8::MAX);
        self.raise((hash & 0xff) as usize, rank);
    }

    fn raise(&mut self, nth: usize, rank: u8) {
        let register = &mut self.all[nth];
        if rank > *register {
            if *register == 0 {
                self.zeros -= 1;
            }
            self.sum += (-f32::from(rank)).exp2() - (-f32::from(*register)).exp2();
            *register = rank;
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, rounded")]
    fn count(&self) -> u64 {
        let registers = REGISTERS as f64;
        let raw = ALPHA * registers * registers / f64::from(self.sum);
        let estimate = if raw <= 2.5 * registers && self.zeros > 0 {
            registers * (registers / f64::from(self.zeros)).ln()
        } else {
            raw
        };
        estimate.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hasher as _;

    #[test]
    fn a_count_is_within_a_fifth_of_what_there_was_and_does_not_grow_by_repetition() {
        for many in [0_u64, 1, 24, 25, 60, 200, 1000, 5000, 100_000] {
            let mut distinct = Distinct::default();
            for n in (0..many).chain(0..many) {
                let mut hasher = siphasher::sip::SipHasher13::new();
                hasher.write_u64(n);
                distinct.add(hasher.finish());
            }
            let (count, slack) = (distinct.count(), if many <= 24 { 0 } else { many / 5 });
            assert!(count.abs_diff(many) <= slack, "{many}: {count}");
        }
    }
}
