//! Traffic filtering: sees what the upstream will see, through every encoding, and tells what in it is an attack and where.
//!
//! ```text
//! walk      decode     head and body -> named values; what cannot be read in one way is a fault
//! wake      gate       one pass over each value: which detectors have to look at it, most often none
//! detect    detect     lexers for one class of attack each give evidence, by the id of a rule
//!           rules      rules in TOML: what each piece of evidence is worth, and further literals and patterns
//! hold      schema     what an API promises to take, where that is known: anything else is a fault
//! judge     profile    evidence is added up for each place and for the request: findings and a verdict
//! ```

mod class;
mod decode;
mod detect;
mod engine;
mod fault;
mod finding;
mod gate;
mod judge;
mod leak;
mod library;
mod limits;
mod literals;
mod normal;
mod profile;
mod quiet;
mod room;
mod rules;
mod schema;
mod steps;
mod unfiltered;
mod value;

#[cfg(test)]
mod tests;

pub use class::Class;
pub use engine::Engine;
pub use fault::{Fault, FaultKind};
pub use finding::{Finding, Report};
pub use leak::{
    Counts as LeakCounts, ErrorDetails, Field as LeakField, LeakAction, LeakKind, LeakProfile, LeakScanner,
    LeakSettings, Sniff,
};
pub use library::Library;
pub use limits::Limits;
pub use profile::{FieldKind, FieldRule, Head, Mode, Profile, Settings};
pub use rules::{Rule, RuleError, RuleFile, Tuning, Where};
pub use schema::{Contract, ContractError, Promise, Unknown};
pub use value::{Location, Part, Sink, Trail};
