//! Lists of targets as Prometheus has them: a list of groups, each with addresses and the labels that these share.
//!
//! `[{"targets": ["10.0.0.1:3000"], "labels": {"team": "payments"}}]`, as JSON or as YAML. Pure: no sockets, no files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::http;
use crate::target::Labels;

/// More than anybody watches from one machine: a list that is longer is somebody's mistake.
const MOST: usize = 200_000;
/// Longest value of a label that a target keeps, in bytes, as in the configuration.
const LONGEST_VALUE: usize = 256;
/// Longest name of a label that a target keeps.
const LONGEST_NAME: usize = 64;

/// One process that was found: where it is, and its labels, those with `__` among them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Instance {
    /// Host, and port perhaps.
    pub address: String,
    /// As the source has them.
    pub labels: Labels,
}

/// The two ways to write a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `.json`, and what comes over HTTP.
    Json,
    /// `.yml` and `.yaml`.
    Yaml,
}

/// Why a text is no list of targets.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Neither the format nor the shape.
    #[error("is no list of targets: {0}")]
    Malformed(String),
    /// Longer than anybody's.
    #[error("lists more than {MOST} targets")]
    TooLong,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    targets: Vec<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Parses a list.
pub fn parse(text: &str, form: Form) -> Result<Vec<Instance>, ListError> {
    let malformed = |problem: String| ListError::Malformed(http::excerpt(&problem, 200));
    let groups: Vec<Group> = match form {
        Form::Json => serde_json::from_str(text).map_err(|problem| malformed(problem.to_string()))?,
        // An empty file is an empty list, as YAML has it.
        Form::Yaml => serde_saphyr::from_str_with_options::<Option<Vec<Group>>>(text, yaml_options())
            .map_err(|problem| malformed(problem.to_string()))?
            .unwrap_or_default(),
    };
    let count: usize = groups.iter().map(|group| group.targets.len()).sum();
    if count > MOST {
        return Err(ListError::TooLong);
    }
    let mut instances = Vec::with_capacity(count);
    for Group { targets, labels } in groups {
        let labels: Labels = labels.unwrap_or_default();
        instances.extend(targets.into_iter().map(|address| Instance { address, labels: labels.clone() }));
    }
    Ok(instances)
}

/// The parser's own bounds, which keep aliases from unfolding without end, but for a list as long as ours may be.
fn yaml_options() -> serde_saphyr::Options {
    /// Address, and a dozen labels with their names.
    const NODES_OF_ONE: usize = 30;
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: MOST * NODES_OF_ONE, max_events: 2 * MOST * NODES_OF_ONE },
        // Errors are told in one line.
        with_snippet: false,
    }
}

impl Instance {
    /// Where it answers: `__scheme__` where it has one, else http, and the address, which `__address__` overrides.
    pub fn url(&self) -> Result<Url, String> {
        let scheme = self.labels.get("__scheme__").map_or("http", String::as_str);
        if !matches!(scheme, "http" | "https") {
            return Err(format!("has the scheme `{}`, which is neither http nor https", http::excerpt(scheme, 16)));
        }
        let address = self.labels.get("__address__").unwrap_or(&self.address);
        let is_address = !address.is_empty()
            && address.len() <= 300
            && address.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'));
        let url = Url::parse(&format!("{scheme}://{address}")).ok().filter(|url| is_address && url.has_host());
        url.ok_or_else(|| format!("`{}` is no address such as 10.0.0.1:3000", http::excerpt(address, 80)))
    }

    /// `__metrics_path__` with the `__param_*` as its query, where it has any of them.
    pub fn metrics_path(&self) -> Option<String> {
        let params: Vec<_> =
            self.labels.iter().filter_map(|(name, value)| Some((name.strip_prefix("__param_")?, value))).collect();
        let path = self.labels.get("__metrics_path__");
        if params.is_empty() {
            return path.cloned();
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(params);
        let path = path.map_or("/metrics", String::as_str);
        let joint = if path.contains('?') { '&' } else { '?' };
        Some(format!("{path}{joint}{}", query.finish()))
    }

    /// The labels that its target gets: those with `__` tell where it is, and what no label can hold is left out.
    pub fn kept_labels(&self) -> Labels {
        let is_kept = |name: &str, value: &str| {
            name.len() <= LONGEST_NAME
                && name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && value.len() <= LONGEST_VALUE
                && !value.chars().any(char::is_control)
        };
        let kept = self.labels.iter().filter(|(name, value)| is_kept(name, value));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labelled(address: &str, labels: &[(&str, &str)]) -> Instance {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Instance { address: address.to_owned(), labels }
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let json = r#"[{"targets":["a:1","b:2"],"labels":{"team":"x"}},{"targets":["c"]}]"#;
        let yaml = "# ours\n- targets: [a:1, 'b:2']\n  labels:\n    team: x\n- targets:\n  - c\n";
        let expected = [labelled("a:1", &[("team", "x")]), labelled("b:2", &[("team", "x")]), labelled("c", &[])];
        assert_eq!(parse(json, Form::Json).expect("a list"), expected);
        assert_eq!(parse(yaml, Form::Yaml).expect("a list"), expected);
        assert_eq!(parse(json, Form::Yaml).expect("JSON is YAML"), expected);
        assert_eq!(parse("", Form::Yaml).expect("an empty list"), []);
    }

    #[test]
    fn garbage_is_no_list() {
        for text in [
            "",
            "{}",
            "null",
            "[{\"targets\":5}]",
            "[{\"target\":[\"a\"]}]",
            "[{\"targets\":[\"a\"]}",
            "<html>",
            "[[]]",
        ] {
            assert!(parse(text, Form::Json).is_err(), "{text}");
        }
        for text in ["- targets: 5", "a: b", "- [", "<html>", "- targets: [a]\n  label: {}"] {
            assert!(parse(text, Form::Yaml).is_err(), "{text}");
        }
        // Aliases that would unfold to billions of nodes.
        let level = |level: usize| {
            let before = format!("*a{}", level - 1);
            format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", "))
        };
        let bomb =
            "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned() + &(1..12).map(level).collect::<Vec<_>>().concat();
        assert!(parse(&bomb, Form::Yaml).is_err());
    }

    #[test]
    fn addresses_become_urls() {
        let check = |address, labels: &[_], expected: &str| {
            assert_eq!(labelled(address, labels).url().map(String::from).as_deref(), Ok(expected), "{address}");
        };
        check("10.0.0.1:3000", &[], "http://10.0.0.1:3000/");
        check("api.example", &[("__scheme__", "https")], "https://api.example/");
        check("[2001:db8::1]:80", &[], "http://[2001:db8::1]/");
        check("a:1", &[("__address__", "b:2")], "http://b:2/");
        for bad in ["", "a b", "http://a", "a/b", "a:b", "u:p@h", "a?b", "a#b", ":1"] {
            assert!(labelled(bad, &[]).url().is_err(), "{bad:?}");
        }
        assert!(labelled("a", &[("__scheme__", "file")]).url().is_err());
    }

    #[test]
    fn labels_say_where_and_what() {
        let instance = labelled(
            "a",
            &[
                ("__metrics_path__", "/m"),
                ("__param_x", "1 2"),
                ("__meta_pod", "p"),
                ("team", "t"),
                ("_own", "o"),
                ("x", "\n"),
            ],
        );
        assert_eq!(instance.metrics_path().as_deref(), Some("/m?x=1+2"));
        assert_eq!(instance.kept_labels(), Labels::from([("team".to_owned(), "t".to_owned())]));
        assert_eq!(labelled("a", &[]).metrics_path(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_an_error(text in ".*") {
            drop(parse(&text, Form::Json));
            drop(parse(&text, Form::Yaml));
        }

        #[test]
        fn any_instance_has_a_url_or_a_reason(address in ".*", scheme in "(http|https|.*)", path in ".*") {
            let instance = labelled(&address, &[("__scheme__", &scheme), ("__metrics_path__", &path), ("__param_a", &path)]);
            drop(instance.url());
            drop(instance.metrics_path());
            prop_assert!(instance.kept_labels().is_empty());
        }
    }
}
