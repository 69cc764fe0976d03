//! The commands.

mod key;
mod vault;

pub use key::{KeyCommand, NewKey};
pub use vault::{MasterKeyArgs, VaultCommand};
