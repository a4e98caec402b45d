//! The settings of the demo's own service, under the names that the services in `tests/services` know.

use std::str::FromStr;

use secrecy::SecretString;

use crate::units::ByteSize;

/// How the service runs.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// Port on 127.0.0.1; 0 takes any. `PORT`.
    pub port: u16,
    /// The bearer token that the snapshot endpoint asks for. `ADMIN_TOKEN`, the only one without a default.
    pub token: SecretString,
    /// What each request leaks. `LEAK_BYTES`.
    pub leak_per_request: ByteSize,
    /// Requests a second that the service makes to itself; 0 for none. `LOAD_RATE`.
    pub rate: f64,
    /// Requests are refused beyond this, so that a forgotten demo does not eat the machine. `MOST_LIVE_BYTES`.
    pub most_live: ByteSize,
}

/// A setting that is missing or wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Without a token anybody could fetch what the service holds.
    #[error("ADMIN_TOKEN is not set: the service asks for it before it gives a snapshot")]
    NoToken,
    /// Not a number, or none that fits.
    #[error("{name}={value:?}: must be {allowed}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        allowed: &'static str,
    },
}

impl ServiceOptions {
    /// Reads the settings by name.
    pub fn from_environment(environment: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let token = environment("ADMIN_TOKEN").filter(|token| !token.is_empty()).ok_or(SettingsError::NoToken)?;
        let rate = number(&environment, "LOAD_RATE", 0.0, "requests a second, 0 to 10000")?;
        if !(0.0..=10_000.0).contains(&rate) {
            let allowed = "requests a second, 0 to 10000";
            return Err(SettingsError::Invalid { name: "LOAD_RATE", value: rate.to_string(), allowed });
        }
        Ok(Self {
            port: number(&environment, "PORT", 0, "a port, 0 to 65535")?,
            token: token.into(),
            leak_per_request: ByteSize::new(number(&environment, "LEAK_BYTES", 20_000, "a number of bytes")?),
            rate,
            most_live: ByteSize::new(number(&environment, "MOST_LIVE_BYTES", 512 << 20, "a number of bytes")?),
        })
    }
}

fn number<T: FromStr>(
    environment: impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: T,
    allowed: &'static str,
) -> Result<T, SettingsError> {
    let Some(value) = environment(name) else { return Ok(default) };
    value.parse().map_err(|_| SettingsError::Invalid { name, value, allowed })
}
