//! What targets of one group or one source have in common: all but name, address and labels.

use std::sync::Arc;

use url::Url;

use super::Target;
use super::target::{Settings, beneath};
use crate::discovery::list::Instance;
use crate::discovery::naming::{Naming, Place};
use crate::http::ShownUrl;
use crate::probe::Format;
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

    /// The same for targets of this group that are called in this way.
    pub(super) fn with(&self, group: Option<String>, naming: Naming) -> Self {
        let mut prototype = self.prototype.clone();
        prototype.group = group.or(prototype.group);
        Self { prototype, naming }
    }

    /// A target as all of them are, but for name, address and labels.
    pub fn prototype(&self) -> &Target {
        &self.prototype
    }

    /// The target that an instance of `source` stands for; why there is none.
    pub fn instance(&self, source: &str, instance: &Instance) -> Result<Target, String> {
        let url = instance.url()?;
        let place = Place { group: self.prototype.group.as_deref(), source, labels: &instance.labels, url: &url };
        let name = self.naming.name(&place).map_err(|problem| format!("{} {problem}", ShownUrl::origin(&url)))?;
        self.at(name, instance)
    }

    /// The same by a name that is known.
    pub fn at(&self, name: TargetName, instance: &Instance) -> Result<Target, String> {
        let url = instance.url()?;
        let mut target = self.target(name, &url, instance.kept_labels())?;
        if let (Format::Prometheus, Some(path)) = (target.probe.format, instance.metrics_path()) {
            let place =
                beneath(Some(&url), &path).map_err(|problem| format!("{} has a path that {problem}", target.name))?;
            Arc::make_mut(&mut target.probe).url = place.unwrap_or(url);
        }
        Ok(target)
    }

    /// The target at `base`; labels of its own come before those of the group.
    pub fn target(&self, name: TargetName, base: &Url, labels: Labels) -> Result<Target, String> {
        let mut target = self.prototype.clone();
        target.name = name;
        target.labels.extend(labels);
        let probed = moved(&target.probe.url, base)?;
        Arc::make_mut(&mut target.probe).url = probed;
        if let Some(capture) = &mut target.capture {
            capture.url = moved(&capture.url, base)?;
        }
        if let Some(profile) = &mut target.profile {
            profile.url = moved(&profile.url, base)?;
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
