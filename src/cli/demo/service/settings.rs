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
        Ok(Self {
            port: number(&environment, "PORT", 0, "a port, 0 to 65535")?,
            token: token.into(),
            leak_per_request: ByteSize::new(number(&environment, "LEAK_BYTES", 20_000, "a number of bytes")?),
            rate: f64::from(number::<u16>(&environment, "LOAD_RATE", 0, "whole requests a second, 0 to 65535")?),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(environment: &[(&str, &str)], expected: Result<(u16, u64, f64), &str>) {
        let lookup =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let read = ServiceOptions::from_environment(lookup);
        let read = read.map(|options| (options.port, options.leak_per_request.bytes(), options.rate));
        assert_eq!(read.map_err(|problem| problem.to_string()), expected.map_err(str::to_owned), "{environment:?}");
    }

    #[test]
    fn settings_come_by_name_and_wrong_ones_are_named() {
        check(&[("ADMIN_TOKEN", "t")], Ok((0, 20_000, 0.0)));
        check(&[("ADMIN_TOKEN", "t"), ("PORT", "8080"), ("LEAK_BYTES", "1"), ("LOAD_RATE", "50")], Ok((8080, 1, 50.0)));
        let no_token = "ADMIN_TOKEN is not set: the service asks for it before it gives a snapshot";
        check(&[("PORT", "1")], Err(no_token));
        check(&[("ADMIN_TOKEN", "")], Err(no_token));
        check(&[("ADMIN_TOKEN", "t"), ("PORT", "65536")], Err("PORT=\"65536\": must be a port, 0 to 65535"));
        let rate = "LOAD_RATE=\"-1\": must be whole requests a second, 0 to 65535";
        check(&[("ADMIN_TOKEN", "t"), ("LOAD_RATE", "-1")], Err(rate));
    }
}
