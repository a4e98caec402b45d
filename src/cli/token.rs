//! `heapwatch token`: makes a token for the API. The configuration gets its hash, the client the token itself.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};

use super::output::print;
use crate::web::{self, Scope};

/// Make a token for the API: print the section that lets it in, and keep the token in a file or print it, too.
#[derive(Clone, Debug, Args)]
pub struct TokenArgs {
    /// What to call it in the configuration.
    #[arg(long, default_value = "api", value_parser = parse_name)]
    name: String,
    /// What it allows: `read` shows everything, `admin` takes snapshots and reloads, too.
    #[arg(long, value_enum, default_value_t = Allowed::Read)]
    scope: Allowed,
    /// Write the token to this new file, readable by its owner alone, instead of printing it.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Allowed {
    Read,
    Admin,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[from] getrandom::Error),
    /// The file is there, or cannot be made.
    #[error("cannot write the token to a new file `{}`", path.display())]
    File {
        /// As it was named.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Standard output is gone.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

/// Makes a token.
pub fn run(args: &TokenArgs) -> Result<(), TokenError> {
    let token = web::new_token()?;
    let scope = match args.scope {
        Allowed::Read => Scope::Read,
        Allowed::Admin => Scope::Admin,
    };
    let section = format!(
        "[[web.tokens]]\nname = \"{}\"\nscope = \"{}\"\nhash = \"{}\"",
        args.name,
        scope.name(),
        web::hash(&token)
    );
    match &args.file {
        Some(path) => write_new(path, &token).map_err(|source| TokenError::File { path: path.clone(), source })?,
        // Above the section, not in it: what is pasted into the configuration must not have the token.
        None => print(&format!("{}\n", token.expose_secret()))?,
    }
    Ok(print(&section)?)
}

fn write_new(path: &PathBuf, token: &SecretString) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", token.expose_secret())
}

/// Fit to stand between quotes in TOML.
fn parse_name(text: &str) -> Result<String, String> {
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._- ".contains(c));
    if is_plain { Ok(text.to_owned()) } else { Err("must be letters, digits, `.`, `_`, `-` and blanks".to_owned()) }
}
