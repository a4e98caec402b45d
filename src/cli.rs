//! The command line: one file a subcommand.

pub mod gc;
pub mod history;
pub mod snapshots;
