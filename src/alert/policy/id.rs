//! Ids of episodes and alerts: checksums of what they are about, so that the same thing has the same id after a crash.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::alert::message::{Alert, News, Severity, Status};
use crate::clock::Timestamp;
use crate::target::TargetName;
use crate::text::hex;

/// The name under which heapwatch speaks of itself.
const SELF: &str = "heapwatch";
/// Bytes of a checksum in the id of an episode; a target has a handful of episodes.
const EPISODE_BYTES: usize = 8;
/// Bytes of a checksum in the id of an alert: no two alert ids meet by chance.
const ALERT_BYTES: usize = 16;

/// The id of the episode that was confirmed at `confirmed`.
pub(super) fn of_episode(target: &TargetName, confirmed: Timestamp) -> String {
    hex(&checksum(&["episode", target.as_str(), &confirmed.wall_ms().to_string()])[..EPISODE_BYTES])
}

/// The id of an alert. What happens once in an episode is known by that alone, anything else by its time besides.
pub(super) fn of_alert(target: &TargetName, episode: Option<&str>, news: &News, at: Timestamp) -> String {
    let happens_once = matches!(news, News::LeakConfirmed(_) | News::LeakResolved { .. });
    let time = if happens_once { String::new() } else { at.wall_ms().to_string() };
    let detail = match news {
        News::Gauge { gauge, .. } | News::GaugeGrows { gauge, .. } | News::GaugeSteady { gauge, .. } => gauge.as_str(),
        News::NoLongerWatched { incident } => incident.as_str(),
        News::Trouble { subject, .. } => subject.as_str(),
        News::Test { status } => status.name(),
        _ => "",
    };
    let parts = ["alert", target.as_str(), episode.unwrap_or(""), news.kind(), &time, detail];
    format!("hw_{}", hex(&checksum(&parts)[..ALERT_BYTES]))
}

/// An alert about heapwatch itself: a broken channel, a full disk. `subject` stays the same while the trouble lasts.
pub fn trouble(subject: &str, why: &str, status: Status, at: Timestamp) -> Alert {
    about_self(News::Trouble { subject: subject.to_owned(), why: why.to_owned(), status }, at)
}

/// A test alert; a trigger and a resolve with the same target make an incident.
pub fn test(status: Status, at: Timestamp) -> Alert {
    about_self(News::Test { status }, at)
}

fn about_self(news: News, at: Timestamp) -> Alert {
    let target = TargetName::new(SELF).expect("the constant is spelled as a target name");
    let id = of_alert(&target, None, &news, at);
    Alert { id, at, target, labels: BTreeMap::new(), episode: None, severity: Severity::Warning, news, silenced: None }
}

/// Of the parts with their lengths, so that moving a letter from one to the next changes it.
fn checksum(parts: &[&str]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().to_vec()
}
