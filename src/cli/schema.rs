//! `claviger schema`: what may stand in a configuration, for editors and for people.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::Failure;
use crate::config;

/// The form to print it in.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The form.
    #[arg(long, value_enum, default_value = "json")]
    format: Form,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// JSON Schema, draft 7: what editors check and complete TOML files with.
    Json,
    /// The reference, with every table and key.
    Markdown,
}

impl SchemaArgs {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self.format {
            Form::Json => writeln!(out, "{:#}", config::schema())?,
            Form::Markdown => write!(out, "{}", config::reference())?,
        }
        Ok(())
    }
}
