//! How targets that are found are called: a text with placeholders, made into a name that lasts.
//!
//! A name stands for history and open episodes, so it is made of what an instance has for itself, never of its place in
//! a list. Pure: no sockets, no files.

use sha2::{Digest, Sha256};
use url::Url;

use crate::target::{Labels, TargetName};

/// A parsed text such as `{group}-{host}-{port}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group,
    Source,
    Host,
    Port,
    Label(String),
}

/// What placeholders stand for.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The group, where there is one.
    pub group: Option<&'a str>,
    /// The source, or the group that lists the address.
    pub source: &'a str,
    /// Labels as they were found, those with `__` among them.
    pub labels: &'a Labels,
    /// Where the target answers.
    pub url: &'a Url,
}

impl Naming {
    /// Parses a text with placeholders.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, behind) = after.split_once('}').ok_or("has a `{` without its `}`")?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::named(inside)?);
            rest = behind;
        }
        if rest.contains('}') {
            return Err("has a `}` without its `{`".to_owned());
        }
        pieces.push(Piece::Text(rest.to_owned()));
        if pieces.iter().all(|piece| matches!(piece, Piece::Text(_) | Piece::Group | Piece::Source)) {
            return Err("calls every target the same: put {host}, {port} or a {label} into it".to_owned());
        }
        Ok(Self(pieces))
    }

    /// The name of one target. What no name can hold becomes `-`, and one that is too long ends in a hash of all of it.
    pub fn name(&self, place: &Place<'_>) -> Result<TargetName, String> {
        let mut filled = String::new();
        for piece in &self.0 {
            filled.push_str(&piece.fill(place)?);
        }
        fit(&filled)
    }
}

impl Piece {
    fn named(placeholder: &str) -> Result<Self, String> {
        let spelled_well = |label: &str| {
            label.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match placeholder {
            "group" => Ok(Self::Group),
            "source" => Ok(Self::Source),
            "host" => Ok(Self::Host),
            "port" => Ok(Self::Port),
            label if spelled_well(label) => Ok(Self::Label(label.to_owned())),
            _ => Err("has a placeholder that is neither {group}, {source}, {host}, {port} nor the name of a label"
                .to_owned()),
        }
    }

    fn fill(&self, place: &Place<'_>) -> Result<String, String> {
        Ok(match self {
            Self::Text(text) => text.clone(),
            Self::Group => place.group.unwrap_or(place.source).to_owned(),
            Self::Source => place.source.to_owned(),
            Self::Host => place.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            Self::Port => place.url.port_or_known_default().map(|port| port.to_string()).unwrap_or_default(),
            Self::Label(label) => match place.labels.get(label).filter(|value| !value.is_empty()) {
                Some(value) => value.clone(),
                None => return Err(format!("has no label `{label}`, which its name is made of")),
            },
        })
    }
}

fn fit(text: &str) -> Result<TargetName, String> {
    const LONGEST: usize = 64;
    /// Eight hexadecimal digits and the dash before them.
    const HASH: usize = 9;
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut name: String = text.chars().map(|c| if is_fit(c) { c } else { '-' }).collect();
    let start = name.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(name.len());
    name.drain(..start);
    if name.len() > LONGEST {
        // Every character is a single byte by now.
        name.truncate(LONGEST - HASH);
        let digest = Sha256::digest(text.as_bytes());
        name.push('-');
        name.extend(digest.iter().take(4).map(|byte| format!("{byte:02x}")));
    }
    TargetName::new(name).map_err(|_| "has nothing that its name could be made of".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(text: &str, url: &str, labels: &[(&str, &str)]) -> Result<String, String> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let url = Url::parse(url).expect("a URL");
        let place = Place { group: None, source: "shop", labels: &labels, url: &url };
        Naming::parse(text)?.name(&place).map(String::from)
    }

    #[test]
    fn names_are_made_of_what_an_instance_has_for_itself() {
        let check = |text, url, expected: &str| assert_eq!(named(text, url, &[]).as_deref(), Ok(expected));
        check("{group}-{host}-{port}", "http://10.0.0.1:3000", "shop-10.0.0.1-3000");
        check("{group}-{host}-{port}", "https://api.example", "shop-api.example-443");
        check("{source}/{host}", "http://[2001:db8::1]:80/x", "shop-2001-db8--1");
        check("-{host}", "http://h", "h");
    }

    #[test]
    fn labels_may_be_used_and_must_be_there() {
        assert_eq!(named("{__meta_pod}", "http://h", &[("__meta_pod", "a/b")]), Ok("a-b".into()));
        assert!(named("{pod}", "http://h", &[("pod", "")]).is_err_and(|why| why.contains("no label `pod`")));
        for wrong in ["", "fixed", "{group}", "{host", "host}", "{a b}", "{}"] {
            assert!(named(wrong, "http://h", &[]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn long_names_stay_apart() {
        let long = "x".repeat(80);
        let one = named("{a}", "http://h", &[("a", &format!("{long}1"))]).expect("a name");
        let other = named("{a}", "http://h", &[("a", &format!("{long}2"))]).expect("a name");
        assert_eq!((one.len(), other.len()), (64, 64));
        assert_ne!(one, other);
    }

    proptest! {
        #[test]
        fn any_label_gives_a_name_or_a_reason(text in ".*", value in ".*") {
            drop(named(&text, "http://h", &[]));
            if let Ok(name) = named("{a}", "http://h", &[("a", &value)]) {
                prop_assert!(TargetName::new(name).is_ok());
            }
        }
    }
}
