//! `heapwatch completions SHELL`: what the shell completes, from the definition of the command line.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use clap_complete::{Shell, generate};

/// Print the completions of a shell.
///
/// The package installs them. Elsewhere, for bash: `heapwatch completions bash >
/// ~/.local/share/bash-completion/completions/heapwatch`; for zsh, as `_heapwatch` in a directory of `$fpath`; for fish,
/// as `~/.config/fish/completions/heapwatch.fish`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell.
    shell: KnownShell,
}

/// The shells that we have tried.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KnownShell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the completions of `command`.
pub fn run(args: &CompletionsArgs, mut command: clap::Command, out: &mut impl Write) -> io::Result<()> {
    let shell = match args.shell {
        KnownShell::Bash => Shell::Bash,
        KnownShell::Zsh => Shell::Zsh,
        KnownShell::Fish => Shell::Fish,
    };
    // The generator panics where it cannot write, as when its reader goes away: it gets memory to write to.
    let mut script = Vec::new();
    generate(shell, &mut command, "heapwatch", &mut script);
    out.write_all(&script)?;
    out.flush()
}
