//! demo
use clap::Args;
use std::io::Write;
use super::Failure;
/// x
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// x
    #[arg(long)]
    once: bool,
}
impl DemoArgs {
    pub(super) fn run(self, _out: &mut dyn Write) -> Result<(), Failure> { let _ = self.once; Ok(()) }
}
