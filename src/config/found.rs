//! A value that was found, what it can be read as, and what can be wrong with it.

use std::path::{Path, PathBuf};

use figment::value::Value;

use super::layers::Origin;
use super::problem::Problem;
use super::values::{kind_of, show};

/// A value that was found, with its key.
pub(super) struct Found<'a> {
    pub(super) key: String,
    /// The same with numbers for names: where it stands in the file.
    pub(super) place: String,
    pub(super) value: &'a Value,
    pub(super) origin: Option<Origin>,
}

/// What is wrong with a value, and what would be right.
pub(super) struct Wrong {
    pub(super) problem: String,
    pub(super) example: Option<String>,
}

impl Wrong {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), example: None }
    }

    /// `example` is shown as it is: quote it where TOML wants quotes.
    pub(super) fn with_example(problem: impl Into<String>, example: impl Into<String>) -> Self {
        Self { problem: problem.into(), example: Some(example.into()) }
    }
}

impl Found<'_> {
    /// The problem that this value from `source` has.
    pub(super) fn problem(&self, wrong: Wrong, source: Option<String>) -> Problem {
        Problem { value: Some(show(self.value)), ..self.hidden_problem(wrong, source) }
    }

    /// The problem that this value has, for values that may be secrets.
    pub(super) fn hidden_problem(&self, wrong: Wrong, source: Option<String>) -> Problem {
        Problem { key: self.key.clone(), value: None, source, problem: wrong.problem, example: wrong.example }
    }

    /// In the file, a relative path counts from the directory of the file; in a variable, from where we were started.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        let path = Path::new(path);
        match &self.origin {
            Some(Origin::File(file)) => Path::new(file).parent().map_or_else(|| path.to_owned(), |dir| dir.join(path)),
            _ => path.to_owned(),
        }
    }

    /// Says of what kind the value is, where that is the trouble.
    pub(super) fn instead(&self) -> String {
        format!(", and is {}", kind_of(self.value))
    }

    fn is_variable(&self) -> bool {
        matches!(self.origin, Some(Origin::Variable(_)))
    }

    /// A number; in a variable, everything is text.
    pub(super) fn number(&self) -> Option<f64> {
        match self.value {
            Value::Num(_, number) => number.to_f64().or_else(|| number.to_i128().map(|whole| whole as f64)),
            Value::String(_, text) if self.is_variable() => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn whole(&self) -> Option<i128> {
        match self.value {
            Value::Num(_, number) => number.to_i128(),
            Value::String(_, text) if self.is_variable() => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self.value {
            Value::Bool(_, flag) => Some(*flag),
            Value::String(_, text) if self.is_variable() => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A list of texts; in a variable, commas part them.
    pub(super) fn texts(&self) -> Result<Vec<String>, String> {
        match self.value {
            Value::String(_, text) if self.is_variable() => {
                Ok(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
            }
            Value::Array(_, values) => values
                .iter()
                .map(|value| value.as_str().map(str::to_owned).ok_or(value))
                .collect::<Result<_, _>>()
                .map_err(|value| format!("must be a list of texts in quotes, and has {} in it", kind_of(value))),
            _ => Err(format!("must be a list of texts{}", self.instead())),
        }
    }
}
