//! Where a command's configuration comes from: its file, and the environment as this process has it.

use std::path::PathBuf;

use super::exit::Failure;
use crate::config::{self, Config, Sources};

/// The variable that names the configuration file where `--config` does not.
const FILE_VARIABLE: &str = "HEAPWATCH_CONFIG";
const FILE_HELP: &str = "The configuration file [default: $HEAPWATCH_CONFIG, else /etc/heapwatch/heapwatch.toml]";
/// Where packages put the configuration.
pub(super) const DEFAULT_FILE: &str = "/etc/heapwatch/heapwatch.toml";
/// Where systemd keeps the credentials of the running service, readable by root.
const SERVICE_CREDENTIALS: &str = "/run/credentials/heapwatch.service";

/// The option that names the configuration, for every command that reads one.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", help = FILE_HELP)]
    pub config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The file, the environment and systemd's credentials, as this process sees them.
    pub fn sources(&self) -> Sources {
        let file = self.config.clone().or_else(named_file).unwrap_or_else(|| DEFAULT_FILE.into());
        let service_credentials = || Some(PathBuf::from(SERVICE_CREDENTIALS)).filter(|path| path.is_dir());
        Sources {
            file: Some(file),
            env: environment(),
            credentials_directory: variable("CREDENTIALS_DIRECTORY").or_else(service_credentials),
        }
    }

    /// The configuration, checked.
    pub fn load(&self) -> Result<Config, Failure> {
        config::load(&self.sources()).map_err(Failure::Config)
    }
}

/// The file that the environment names.
pub(super) fn named_file() -> Option<PathBuf> {
    variable(FILE_VARIABLE)
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Variables that are no text cannot be ours, and hold no secret that could be sent.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
