//! What targets of one group or one source have in common: all but name, address and labels.

use url::Url;

use super::Target;
use super::target::{Settings, beneath};
use crate::discovery::naming::Naming;
use crate::target::{Labels, TargetName};

/// What an address makes a target of.
#[derive(Clone, Debug)]
pub struct Template {
    /// A target at the placeholder's address.
    prototype: Target,
    /// How its targets are called.
    pub(super) naming: Naming,
}

impl Template {
    /// Stands for the address until there is one.
    pub(super) fn placeholder() -> Url {
        Url::parse("http://placeholder.invalid").expect("a constant")
    }

    /// `settings` are those of the placeholder.
    pub(super) fn new(settings: Settings, group: Option<String>, naming: Naming) -> Option<Self> {
        let name = TargetName::new("placeholder").expect("a constant");
        Some(Self { prototype: settings.into_target(name, group)?, naming })
    }

    /// The target at `base`; labels of its own come before those of the group.
    pub fn target(&self, name: TargetName, base: &Url, labels: Labels) -> Result<Target, String> {
        let mut target = self.prototype.clone();
        target.name = name;
        target.labels.extend(labels);
        target.probe.url = moved(&target.probe.url, base)?;
        if let Some(capture) = &mut target.capture {
            capture.url = moved(&capture.url, base)?;
        }
        Ok(target)
    }
}

/// The same path and query beneath another address.
fn moved(url: &Url, base: &Url) -> Result<Url, String> {
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let moved = beneath(Some(base), &path)?;
    moved.ok_or_else(|| "has no address".to_owned())
}
