//! What an error page tells of the inside of the upstream (CWE-209, CWE-550): stack traces, messages of databases, paths, source. Looked for
//! in answers that tell of an error alone, where no document of an API is about these; so what is looked for may be short.

mod texts;

use std::sync::LazyLock;

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;

/// Where a stream stands, and how often something was found.
#[derive(Debug)]
pub(super) struct Errors {
    state: Option<StateID>,
    count: u32,
}

impl Errors {
    pub(super) fn new() -> Self {
        Self { state: start(), count: 0 }
    }

    /// Takes what has come.
    pub(super) fn push(&mut self, chunk: &[u8], end: bool) {
        let (Some(automaton), Some(mut state)) = (AUTOMATON.as_ref(), self.state) else { return };
        for byte in chunk {
            state = automaton.next_state(Anchored::No, state, *byte);
            if automaton.is_special(state) && automaton.is_match(state) {
                self.count = self.count.saturating_add(1);
            }
        }
        self.state = if end { start() } else { Some(state) };
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }
}

fn start() -> Option<StateID> {
    AUTOMATON.as_ref()?.start_state(Anchored::No).ok()
}

/// None would be more texts than an automaton takes.
static AUTOMATON: LazyLock<Option<NFA>> = LazyLock::new(|| NFA::builder().build(texts::ALL.concat()).ok());
