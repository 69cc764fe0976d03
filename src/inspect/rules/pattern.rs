//! The patterns of rules: each an automaton of its own, made ahead of time and bounded, so that no input makes one slow.

use regex_automata::dfa::{Automaton, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

/// One pattern. It goes over a value once, a step for each byte.
pub(in crate::inspect) struct Pattern(dense::DFA<Vec<u32>>);

/// The most that one pattern's automaton may take, in bytes.
const MAX_SIZE: usize = 256 << 10;

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Why it cannot be used: its form, or that its automaton would be too large.
    pub(in crate::inspect) fn new(text: &str) -> Result<Self, String> {
        let dfa = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .dfa_size_limit(Some(MAX_SIZE))
                    .determinize_size_limit(Some(MAX_SIZE * 4))
                    .start_kind(regex_automata::dfa::StartKind::Unanchored),
            )
            .syntax(syntax::Config::new().unicode(false).utf8(false).case_insensitive(true))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(MAX_SIZE * 4)))
            .build(text)
            .map_err(|error| {
                let mut why = error.to_string();
                let mut source = std::error::Error::source(&error);
                while let Some(cause) = source {
                    why = format!("{why}: {cause}");
                    source = cause.source();
                }
                why
            })?;
        Ok(Self(dfa))
    }

    /// Where the first match ends.
    pub(in crate::inspect) fn find(&self, value: &[u8]) -> Option<usize> {
        crate::inspect::steps::count(value.len() * 2);
        // The only error is for bytes on which it was told to give up, and it was told of none.
        self.0
            .try_search_fwd(&Input::new(value).anchored(Anchored::No).earliest(true))
            .ok()?
            .map(|found| found.offset())
    }

    /// How much memory it takes, in bytes.
    pub(in crate::inspect) fn size(&self) -> usize {
        self.0.memory_usage()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_bound_is_refused() {
        assert!(Pattern::new(r"(a|b)*a(a|b){40}").is_err());
        assert!(Pattern::new(r"(?=x)").is_err());
        let pattern = Pattern::new(r"\bunion\s+select\b").expect("compiled");
        assert_eq!(pattern.find(b"1 UNION  SELECT 2"), Some(15));
        assert_eq!(pattern.find(b"reunion select"), None);
    }
}
