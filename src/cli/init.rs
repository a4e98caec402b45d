//! `heapwatch init`: the first configuration, from one address and what its service says of itself.
//!
//! It never asks the snapshot endpoint: whoever asks, gets one, and building it stops the process.

mod template;

use std::fs::{self, File};
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use clap::Args;
use url::Url;

use super::exit::Failure;
use super::probe::{self, ProbeCliError};
use super::sources::{self, ConfigArgs};
use crate::probe::health::Reading;
use crate::target::TargetName;

/// Write a first configuration: ask a service what it reports, and choose by that.
///
/// It overwrites nothing but the file that the package has brought and that nobody has changed since.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// The service; without a path, /health/debug is asked. Asked for on standard input where it is left out.
    #[arg(value_parser = probe::parse_url)]
    url: Option<Url>,
    /// Where to write.
    #[arg(long, short, value_name = "FILE", help = OUTPUT_HELP)]
    output: Option<PathBuf>,
    /// What to call the service [default: its host, or `service`].
    #[arg(long)]
    name: Option<TargetName>,
    /// The token that the health endpoint asks for is in this file.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Take heap snapshots, with the token in this file.
    #[arg(long, value_name = "FILE")]
    snapshot_token_file: Option<PathBuf>,
    /// Write the configuration also where the service does not answer yet.
    #[arg(long)]
    unprobed: bool,
}

/// Why there is no new configuration.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The service gave no reading.
    #[error("nothing is written (--unprobed writes all the same)")]
    Probe(#[from] ProbeCliError),
    /// Somebody's work is there.
    #[error("{} is there already: name another file with --output, or move it away", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that an option names is not there.
    #[error("cannot find {}", path.display())]
    Find {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Standard input or output is gone.
    #[error("cannot ask or answer")]
    Talk(#[from] io::Error),
}

/// Where it is written.
const OUTPUT_HELP: &str =
    "Where to write [default: $HEAPWATCH_CONFIG, else /etc/heapwatch/heapwatch.toml for root, else heapwatch.toml]";

/// What the package installs.
const PACKAGED: &str = include_str!("../../packaging/heapwatch.toml");

/// Asks, probes, writes, and checks what it wrote.
pub async fn run(args: InitArgs) -> Result<(), Failure> {
    let Some(url) = args.url.clone().map_or_else(ask, |url| Ok(Some(url)))? else {
        return Err(Failure::Usage(
            "no address was given (for example `heapwatch init http://127.0.0.1:3000`)".to_owned(),
        ));
    };
    if !url.username().is_empty() || url.password().is_some() {
        let why =
            "the address has a user or password in it, which would show in logs: leave it out, and put it into a file";
        return Err(Failure::Usage(why.to_owned()));
    }
    let output = args.output.clone().unwrap_or_else(usual_output);
    // Before the service is asked: whoever cannot be helped should not wait.
    refuse_to_overwrite(&output)?;
    let reading = read(&args, &url).await?;
    let text = template::render(&template::Facts {
        name: args.name.clone().unwrap_or_else(|| name_of(&url)),
        url: &url,
        reading: reading.as_ref(),
        token_file: args.token_file.as_deref().map(full).transpose()?,
        snapshot_token_file: args.snapshot_token_file.as_deref().map(full).transpose()?,
    });
    write(&output, &text)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "\nwrote {}", output.display())?;
    stdout.flush()?;
    ConfigArgs { config: Some(output.clone()) }.load()?;
    writeln!(stdout, "next: {}", next_step(&output))?;
    Ok(stdout.flush()?)
}

/// The address, from a person or a pipe.
fn ask() -> io::Result<Option<Url>> {
    let mut stdin = io::stdin().lock();
    loop {
        write!(io::stderr(), "Address of the service to watch (for example http://127.0.0.1:3000): ")?;
        let mut line = String::new();
        if stdin.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(None);
        }
        match probe::parse_url(line.trim()) {
            Ok(url) => return Ok(Some(url)),
            Err(problem) if io::stdin().is_terminal() => writeln!(io::stderr(), "{problem}")?,
            Err(problem) => return Err(io::Error::new(io::ErrorKind::InvalidInput, problem)),
        }
    }
}

fn usual_output() -> PathBuf {
    sources::named_file().unwrap_or_else(|| {
        let is_root = rustix::process::geteuid().is_root();
        PathBuf::from(if is_root { sources::DEFAULT_FILE } else { "heapwatch.toml" })
    })
}

/// The service's own word, shown as it was understood; `None` where it may be silent and is.
async fn read(args: &InitArgs, url: &Url) -> Result<Option<Reading>, InitError> {
    let options = probe::options(probe::ProbeArgs::plain(url.clone(), args.token_file.clone()))?;
    match probe::take_reading(options).await {
        Ok((url, reading)) => {
            write!(io::stdout(), "{}", probe::report::Report::new(&url, &reading))?;
            Ok(Some(reading))
        }
        Err(problem) if args.unprobed => {
            writeln!(io::stderr(), "heapwatch: warning: {}", crate::errors::one_line(&problem))?;
            Ok(None)
        }
        Err(problem) => Err(problem.into()),
    }
}

/// `checkout` for `https://checkout.example.com`; an address by number says nothing.
fn name_of(url: &Url) -> TargetName {
    let host = match url.host() {
        Some(url::Host::Domain(domain)) if domain != "localhost" => domain.split('.').next().unwrap_or_default(),
        _ => "",
    };
    TargetName::new(host).unwrap_or_else(|_| TargetName::new("service").expect("a name like any other"))
}

/// Paths in the configuration count from its directory, those on the command line from ours.
fn full(path: &Path) -> Result<PathBuf, InitError> {
    path.canonicalize().map_err(|source| InitError::Find { path: path.to_owned(), source })
}

/// True where the file is the package's own; an error where it is anybody's.
fn refuse_to_overwrite(path: &Path) -> Result<bool, InitError> {
    match fs::read(path) {
        Ok(found) if found == PACKAGED.as_bytes() => Ok(true),
        Ok(_) => Err(InitError::Exists(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(InitError::Write { path: path.to_owned(), source }),
    }
}

/// A new file, for its owner and the group of its directory: in /etc/heapwatch, the service's. The package's own file keeps
/// its owner and mode.
fn write(path: &Path, text: &str) -> Result<(), InitError> {
    let is_packaged = refuse_to_overwrite(path)?;
    let written = || {
        let mut options = File::options();
        options.write(true).mode(0o640);
        let mut file =
            if is_packaged { options.truncate(true).open(path)? } else { options.create_new(true).open(path)? };
        if !is_packaged {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            // Where we may not give it away, it is for us alone, which is what we wanted then.
            chown(path, None, Some(directory.metadata()?.gid())).ok();
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|source| InitError::Write { path: path.to_owned(), source })
}

fn next_step(path: &Path) -> String {
    if path == Path::new(sources::DEFAULT_FILE) {
        "`systemctl enable --now heapwatch`, then `heapwatch status`".to_owned()
    } else {
        format!("`heapwatch run --config {}`, then `heapwatch status`", path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_called_by_its_host() {
        for (url, name) in [
            ("http://127.0.0.1:3000", "service"),
            ("http://localhost:3000", "service"),
            ("http://[::1]:3000", "service"),
            ("https://checkout.example.com/x", "checkout"),
            ("http://checkout-api:8080", "checkout-api"),
        ] {
            assert_eq!(name_of(&url.parse().unwrap()).as_str(), name, "{url}");
        }
    }
}
