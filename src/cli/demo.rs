//! demo
use super::Failure;
use clap::Args;
use std::io::Write;
/// x
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// x
    #[arg(long)]
    once: bool,
}
impl DemoArgs {
    pub(super) fn run(self, _out: &mut dyn Write) -> Result<(), Failure> {
        let _ = self.once;
        Ok(())
    }
}
