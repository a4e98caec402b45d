//! The command line: one file a subcommand.

pub mod probe;
pub mod replay;
