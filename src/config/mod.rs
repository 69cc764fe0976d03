//! TOML -> checked -> compiled snapshot, or every error with file, line, column and cure.

mod cases;
mod compile;
mod diagnostic;
mod file;
mod read;
mod reference;
mod reload;
mod schema;
mod values;
mod watched;
mod written;

pub use cases::{Case, Expected, cases, moment, whole_url};
pub use compile::{ClientCertificate, ClusterPlace, ClusterSecrets, Listener, Plan, Process, compile};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use reference::reference;
pub use reload::{LoadError, ReloadError, Reloader, load};
pub use schema::schema;
pub use watched::Watched;
pub use written::written;

/// A text as TOML writes it.
pub fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
