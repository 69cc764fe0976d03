//! TOML -> checked -> compiled snapshot, or every error with file, line, column and cure.

mod compile;
mod diagnostic;
mod file;
mod read;
mod reference;
mod reload;
mod schema;
mod values;

pub use compile::{Listener, Plan, Process, Watched, compile};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use reference::reference;
pub use reload::{ReloadError, Reloader};
pub use schema::schema;
