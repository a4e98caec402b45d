//! `heapwatch man DIRECTORY`: the manual pages, for those who make packages. Those of the commands come from the
//! definition of the command line, that of the configuration from `config/heapwatch.toml`.

mod keys;

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// Write the manual pages into a directory.
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// Where; it must be there.
    directory: PathBuf,
}

/// What stands in the pages beside the commands.
const FILES: [(&str, &str); 3] = [
    ("/etc/heapwatch/heapwatch.toml", "The configuration; see heapwatch.toml(5)."),
    ("/var/lib/heapwatch", "State and snapshots. Snapshots hold every secret of the processes they come from."),
    ("/usr/lib/systemd/system/heapwatch.service", "The service; changes belong in a drop-in."),
];
const VARIABLES: [(&str, &str); 3] = [
    ("HEAPWATCH_CONFIG", "The configuration file where --config names none."),
    ("HEAPWATCH_SERVER", "The address of the daemon that commands ask."),
    ("HEAPWATCH_...", "Any other overrides a key of the configuration: HEAPWATCH_DEFAULTS__INTERVAL=10s."),
];

/// Writes the pages.
pub fn run(args: &ManArgs, command: clap::Command) -> io::Result<()> {
    let command = command.disable_help_subcommand(true);
    clap_mangen::generate_to(command.clone(), &args.directory)?;
    let mut main = Vec::new();
    Man::new(command).render(&mut main)?;
    main.extend_from_slice(appendix().to_roff().as_bytes());
    fs::write(args.directory.join("heapwatch.1"), main)?;
    fs::write(args.directory.join("heapwatch.toml.5"), keys::page())
}

fn appendix() -> Roff {
    let mut roff = Roff::new();
    for (heading, rows) in [("FILES", FILES), ("ENVIRONMENT", VARIABLES)] {
        roff.control("SH", [heading]);
        for (name, meaning) in rows {
            roff.control("TP", []).text([bold(name)]).text([roman(meaning)]);
        }
    }
    roff.control("SH", ["SEE ALSO"]).text([bold("heapwatch.toml"), roman("(5), "), bold("systemctl"), roman("(1)")]);
    roff
}
