//! `config/heapwatch.toml` as text, line by line: the one document of the keys, which the manual page is made from and
//! which tests hold equal to the code.

/// Every key with its default, unit and range.
pub(crate) const REFERENCE: &str = include_str!("../../config/heapwatch.toml");

/// Everything that may stand in a line of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// `[web]`, commented out or not.
    Section(&'a str),
    /// `#interval = "30s"`.
    Default(&'a str),
    /// `#group = "checkout" # example`, or a key that is not commented out.
    Example(&'a str),
    /// `#token_env = "API_TOKEN" # example, instead of token_file`.
    Alternative(&'a str),
    /// A comment for people, an empty line, or a ruler.
    Prose,
}

/// Tells what a line is.
pub(crate) fn classify(line: &str) -> Line<'_> {
    let code = line.strip_prefix('#').unwrap_or(line);
    let is_key = code.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
    match (code.starts_with('['), is_key) {
        (true, _) => Line::Section(code),
        (_, true) if code.contains("# example, instead of ") => Line::Alternative(code),
        (_, true) if code.ends_with("# example") || code == line => Line::Example(code),
        (_, true) => Line::Default(code),
        _ => Line::Prose,
    }
}
