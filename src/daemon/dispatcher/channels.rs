//! Channels that take nothing any more: told once on the others, remembered over restarts, and mended by a changed
//! configuration, by a test alert that got through, or by themselves.

use tracing::{error, info};

use super::{Batch, Dispatcher};
use crate::alert::message::Status;
use crate::alert::outbox::Health;
use crate::daemon::ledger::{self, Write};
use crate::status::trail::Topic;
use crate::store::record::{AuditEvent, BrokenChannel};
use crate::web::Asker;

impl Dispatcher {
    /// Those that an earlier run has found broken.
    pub(super) async fn recall_broken_channels(&mut self) {
        let known = ledger::read(&self.tools.store, "the broken channels", |reader| reader.broken_channels(None)).await;
        let known = known.unwrap_or_default().into_iter();
        self.broken = known.map(|broken| (broken.name.clone(), broken)).collect();
    }

    /// What an attempt has shown of the channel itself.
    pub(super) fn on_health(&mut self, channel: &str, health: Option<Health>, batch: &mut Batch) {
        match health {
            Some(Health::Broke { why, for_good }) => self.on_broke(channel, why, !for_good, batch),
            Some(Health::Mended) => self.on_mended(channel, "it takes alerts again", batch),
            None => {}
        }
    }

    fn on_broke(&mut self, channel: &str, why: String, is_probed: bool, batch: &mut Batch) {
        let Some(lane) = self.lanes.get(channel) else { return };
        let (since, fingerprint) = (self.tools.clock.now(), lane.fingerprint());
        error!(channel, "channel {channel} takes no alerts any more: {why}");
        let broken = BrokenChannel { name: channel.to_owned(), fingerprint, since, why, is_probed };
        let says = format!("channel {channel} takes no alerts any more: {}", broken.why);
        batch.record(AuditEvent::new(since, Topic::Channel, "channel_broke", says));
        batch.writes.push(Write::BrokenChannel(broken.clone()));
        let why = format!(
            "it takes no alerts any more: {}; mend its configuration and reload heapwatch, or mend the receiver and run \
             `heapwatch test-alert {channel}`; what it is owed is kept for {}",
            broken.why,
            humantime::format_duration(self.rules.alerts.outbox.alert_ttl)
        );
        self.broken.insert(channel.to_owned(), broken);
        self.say_trouble(&subject(channel), &why, Status::Firing, Some(channel), batch);
    }

    fn on_mended(&mut self, channel: &str, why: &str, batch: &mut Batch) {
        if self.broken.remove(channel).is_none() {
            return;
        }
        info!(channel, "channel {channel}: {why}");
        let now = self.tools.clock.now();
        batch.record(AuditEvent::new(now, Topic::Channel, "channel_mended", format!("channel {channel}: {why}")));
        batch.writes.push(Write::MendChannel(channel.to_owned()));
        self.say_trouble(&subject(channel), why, Status::Resolved, Some(channel), batch);
    }

    /// The lanes are new: channels that are configured as they were when they broke stay so, any other is tried anew.
    pub(super) fn on_lanes_opened(&mut self, batch: &mut Batch) {
        let mut mended = Vec::new();
        for broken in self.broken.values() {
            match self.lanes.get_mut(&broken.name) {
                Some(lane) if lane.fingerprint() == broken.fingerprint => lane.stay_broken(broken),
                Some(_) => mended.push((
                    broken.name.clone(),
                    "it is tried anew: a test alert got through, or its configuration has changed",
                )),
                None => mended.push((broken.name.clone(), "it is no longer configured")),
            }
        }
        for (channel, why) in mended {
            self.on_mended(&channel, why, batch);
        }
    }

    /// Tries a broken channel anew, because a person has seen that it works; `None` where there is no such channel.
    pub(super) fn mend_channel(&mut self, channel: &str, by: &Asker, batch: &mut Batch) -> Option<bool> {
        let now = self.tools.clock.now();
        self.lanes.get_mut(channel)?.mend(now);
        let says = format!("channel {channel}: somebody has seen that it works: {by}");
        batch.record(AuditEvent::new(now, Topic::Channel, "mend_asked", says));
        let was_broken = self.broken.contains_key(channel);
        self.on_mended(channel, "it is tried anew: a test alert got through", batch);
        Some(was_broken)
    }
}

fn subject(channel: &str) -> String {
    format!("channel {channel}")
}
