//! TOML -> checked -> compiled snapshot, or every error with file, line, column and cure.

mod compile;
mod diagnostic;
mod file;
mod read;
mod reload;
mod stamp;
mod values;

pub use compile::{Listener, Plan, Process, compile};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use reload::{ReloadError, Reloader};
pub use stamp::Stamp;
