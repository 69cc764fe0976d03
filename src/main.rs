//! The `claviger` program: reads the command line and does what it says.

use std::io::{stderr, stdout};
use std::process::ExitCode;

use clap::Parser as _;
use claviger::cli::Cli;
use claviger_wipe::{Mimalloc, Wiping};

/// What is freed is wiped first: HTTP and TLS are spoken by libraries, whose buffers hold what they send and are not wiped by them.
#[global_allocator]
static ALLOCATOR: Wiping<Mimalloc> = Wiping(Mimalloc);

fn main() -> ExitCode {
    Cli::parse().run(&mut stdout(), &mut stderr())
}
