//! `claviger openapi`: configuration out of an API's description.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::Failure;
use crate::config::toml_text;
use crate::domain::{Methods, Name, PathPattern};
use crate::inspect::{Contract, Promise, Unknown};

/// Make configuration out of an OpenAPI document.
#[derive(Debug, Subcommand)]
pub enum OpenapiCommand {
    /// Print tables to paste: a target, what its requests are held to, and a route with a rule for each operation.
    Import(ImportArgs),
}

/// What to make it out of, and what to call it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// The OpenAPI document, 3.0 or 3.1, in YAML or JSON.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the target, the route and the rest are called.
    #[arg(long, value_name = "NAME", default_value = "api", value_parser = Name::parse)]
    target: Name,
    /// Who may ask for the operations. Give each operation's rule its own role afterwards.
    #[arg(long, value_name = "ROLE", default_value = "reader", value_parser = bare)]
    role: String,
    /// Where callers find the API: `/orders` serves `/orders/**`, and is taken off. Default: the target's name.
    #[arg(long, value_name = "PATH", value_parser = prefix)]
    prefix: Option<String>,
    /// The `[authn.NAME]` that proves who calls; may be given more than once.
    #[arg(long, value_name = "NAME", default_value = "corp", value_parser = Name::parse)]
    authn: Vec<Name>,
}

const EXAMPLES: &str = "\
Examples:
  claviger openapi import api.yaml >> claviger.toml
  claviger openapi import api.yaml --target orders --role clerk --prefix /shop --authn corp

What is printed begins in shadow mode: what the document does not describe passes, and audit
records tell where and what (`inspection.fault`). Once none do, write `mode = \"enforce\"`: such
requests are refused with 400 `contract`.

`*` in a rule stands for a parameter of the path. Delete the rules of operations that nobody
needs, give the others roles of their own, name the `credential`, and run `claviger check`.

Exit codes: 0 printed, 2 the document cannot be read or asks for what is not supported.";

fn prefix(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    PathPattern::parse(&format!("{text}/**")).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn bare(text: &str) -> Result<String, String> {
    let is_bare = !text.is_empty() && !text.contains(['"', '\\']) && !text.contains(char::is_control);
    if is_bare { Ok(text.to_owned()) } else { Err("a role without quotes and control characters".to_owned()) }
}

impl OpenapiCommand {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let Self::Import(args) = self;
        let contract = read(&args.file)?;
        write!(out, "{}", args.tables(&contract))?;
        Ok(())
    }
}

fn read(file: &Path) -> Result<Contract, Failure> {
    let name = file.display();
    let text = fs::read(file).map_err(|error| Failure::new(2, format!("claviger: {name}: {error}")))?;
    let mut contract = Contract::default();
    contract.openapi(&text, Unknown::Reject).map_err(|errors| {
        let all: Vec<_> = errors.iter().map(|error| format!("claviger: {name}: {error}")).collect();
        Failure::new(2, all.join("\n"))
    })?;
    Ok(contract)
}

impl ImportArgs {
    fn tables(&self, contract: &Contract) -> String {
        let (name, promises) = (self.target.as_str(), contract.promises());
        // HEAD comes with GET.
        let own = promises.iter().filter(|promise| promise.method != "HEAD" || !has_get(&promises, promise));
        let own: Vec<_> = own.collect();
        let prefix = self.prefix.clone().unwrap_or_else(|| format!("/{name}"));
        let (origin, said) = match contract.origin() {
            Some(origin) => (origin, ""),
            None => ("https://api.example.com", "  # the document names no server"),
        };
        let authn: Vec<_> = self.authn.iter().map(|name| toml_text(name.as_str())).collect();
        let (file, operations) = (toml_text(&self.file.display().to_string()), own.len());
        let (pattern, authn) = (toml_text(&format!("{prefix}/**")), authn.join(", "));
        let mut text = format!(
            "# Of {file}: {operations} operations.\n\
             \n[target.{name}]\nurl = {origin}{said}\n\
             \n[inspect.{name}]\nopenapi = {file}  # from the directory of the configuration\n\
             mode = \"shadow\"  # records tell what would be refused; then \"enforce\"\n\
             \n[route.{name}]\npath = {pattern}\ntarget = \"{name}\"\n#credential = \"{name}\"  # the key that the target takes\n\
             authn = [{authn}]\ninspect = \"{name}\"\n",
            origin = toml_text(origin),
        );
        for promise in own {
            self.rule(promise, &promises, &mut text);
        }
        text
    }

    fn rule(&self, promise: &Promise, all: &[Promise], text: &mut String) {
        let (method, path) = (&promise.method, &promise.path);
        let id = promise.id.as_deref().unwrap_or_default().escape_debug().to_string();
        let segments: Vec<_> = path.split('/').map(|text| if text.contains('{') { "*" } else { text }).collect();
        let pattern = segments.join("/");
        let heading = format!("\n# {method} {}  {id}", path.escape_debug());
        // A string takes whatever is written to it.
        let _ = writeln!(text, "{}", heading.trim_end());
        if let Err(error) = PathPattern::parse(&pattern) {
            let _ = writeln!(text, "# No rule: {error}.");
            return;
        }
        if Methods::of(method.as_str()) == Methods::NONE {
            let _ = writeln!(text, "# No rule: {method} is never let through.");
            return;
        }
        let has_head = method == "GET" && all.iter().any(|other| other.method == "HEAD" && other.path == *path);
        let methods = if has_head { "\"GET\", \"HEAD\"".to_owned() } else { toml_text(method.as_str()) };
        let (name, role) = (self.target.as_str(), toml_text(&self.role));
        let pattern = toml_text(&pattern);
        let _ = writeln!(text, "[[route.{name}.allow]]\nrole = {role}\nmethods = [{methods}]\npaths = [{pattern}]");
    }
}

fn has_get(all: &[Promise], promise: &Promise) -> bool {
    all.iter().any(|other| other.method == "GET" && other.path == promise.path)
}
