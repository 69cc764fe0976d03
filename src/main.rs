//! The `claviger` program: reads the command line and does what it says.

use std::io::{stderr, stdout};
use std::process::ExitCode;

use clap::Parser as _;
use claviger::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Cli::parse().run(&mut stdout(), &mut stderr())
}
