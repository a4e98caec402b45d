//! What is wrong with a configuration: each problem with its key, its source, the value, what is allowed, an example.

use std::fmt;

use super::values::escaped;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key's path, targets and channels by their names: `targets.api.interval`. Empty: the source as a whole.
    pub key: String,
    /// What it was set to, as TOML, where showing it gives no secret away.
    pub value: Option<String>,
    /// The file or the variable that set it; `None` for what was set nowhere.
    pub source: Option<String>,
    /// What is wrong and what is allowed: `must be at least 1s`.
    pub problem: String,
    /// A value that would be right, as TOML.
    pub example: Option<String>,
}

/// Everything that is wrong, in the order of the keys; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    /// A problem with a file as a whole.
    pub(super) fn of_source(source: impl Into<String>, problem: String) -> Self {
        Self { key: String::new(), value: None, source: Some(source.into()), problem, example: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.key))?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        if let Some(source) = &self.source {
            f.write_str(if self.key.is_empty() { "" } else { " in " })?;
            f.write_str(source)?;
        }
        write!(f, ": {}", escaped(&self.problem))?;
        match &self.example {
            Some(example) => write!(f, " (for example {example})"),
            None => Ok(()),
        }
    }
}

/// One problem a line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
