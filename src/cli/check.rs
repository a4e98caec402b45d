//! `heapwatch check`: the configuration, all its problems at once, secrets and directories resolved.

use super::exit::Failure;
use super::sources::ConfigArgs;

/// Check the configuration, and say what heapwatch would do with it.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// Which file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    args.config.load()?;
    Ok(())
}
