//! What goes out: facts become alerts, alerts become letters, and all of it is written before it is sent.

use tracing::error;

use super::lanes::{self, Lane};
use super::{Batch, CARE_KEY, Dispatcher, trail};
use crate::alert::Channel;
use crate::alert::message::{Alert, Status};
use crate::alert::outbox::Entry;
use crate::alert::policy::{self, Fact};
use crate::daemon::event::Tried;
use crate::daemon::ledger::{self, Write};
use crate::errors;
use crate::status::house::ChannelStatus;
use crate::status::trail::Topic;
use crate::store::record::{AuditEvent, Letter, LetterState};
use crate::target::TargetName;

impl Dispatcher {
    /// Turns a fact into alerts, and alerts into letters of every channel that wants them.
    pub(super) fn say(&mut self, name: &TargetName, fact: Fact, batch: &mut Batch) {
        let Some(care) = self.cares.get_mut(name) else { return };
        let before = care.memory.alerts.clone();
        let mut options = self.rules.alerts.policy.clone();
        let severity = care.memory.alerts.severity();
        let routes = &self.rules.alerts.routes;
        if let Some(interval) = severity.and_then(|severity| routes.repeat_interval(&care.target.labels, severity)) {
            options.repeat_interval = Some(interval).filter(|interval| !interval.is_zero());
        }
        let alerts = care.memory.alerts.observe(fact, &options);
        if care.memory.alerts != before {
            batch.touched.insert(name.clone());
        }
        for alert in alerts {
            self.post(&alert, None, batch);
        }
    }

    /// heapwatch's own trouble, told on every channel but the one that it is about.
    pub(super) fn say_trouble(
        &mut self,
        subject: &str,
        why: &str,
        status: Status,
        except: Option<&str>,
        batch: &mut Batch,
    ) {
        let alert = policy::trouble(subject, why, status, self.tools.clock.now());
        self.post(&alert, except, batch);
    }

    /// Trouble that others have found.
    pub(super) fn on_trouble(&mut self, subject: &str, why: &str, is_over: bool, batch: &mut Batch) {
        let (kind, status) = if is_over { ("trouble_over", Status::Resolved) } else { ("trouble", Status::Firing) };
        let event = AuditEvent::new(self.tools.clock.now(), Topic::Daemon, kind, format!("{subject}: {why}"));
        batch.record(event);
        self.say_trouble(subject, why, status, None, batch);
    }

    /// What a person should know of the state database: how it came up, and whether it can be written.
    pub(super) fn tell_of_the_store(&mut self, batch: &mut Batch) {
        const SUBJECT: &str = "state database";
        // What is told before there are channels, the log among them, nobody hears, and it is told once.
        if self.lanes.is_empty() {
            return;
        }
        let mut notes: Vec<String> = std::mem::take(&mut self.notes).iter().map(ToString::to_string).collect();
        let unreadable = self.tools.store.unreadable();
        if unreadable > 0 && self.unreadable_told == 0 {
            self.unreadable_told = unreadable;
            let why =
                "some of what it holds cannot be understood and is left out (a disk that fails?); the log says what";
            notes.push(why.to_owned());
        }
        for note in notes {
            self.say_trouble(SUBJECT, &note, Status::Note, None, batch);
            self.tools.board.keep_house(|house| house.store_notes.push(note));
        }
        let failing = self.ledger.is_failing();
        if std::mem::replace(&mut self.store_in_trouble, failing) == failing {
            return;
        }
        let (why, status) = if failing {
            ("it cannot be written (a full or read-only disk?); verdicts and alerts go on from memory", Status::Firing)
        } else {
            ("it can be written again, and nothing is missing in it", Status::Resolved)
        };
        self.say_trouble(SUBJECT, why, status, None, batch);
    }

    /// How an attempt ended, and what that says of the channel.
    pub(super) fn on_delivered(&mut self, channel: &str, entry: &str, tried: Tried, batch: &mut Batch) {
        let now = self.tools.clock.now();
        let Some(lane) = self.lanes.get_mut(channel) else { return };
        let (letters, health) = lane.settle(entry, tried, now, &self.tools.metrics);
        batch.settle(letters);
        self.on_health(channel, health, batch);
    }

    /// Shows the channels and the state database on the board.
    pub(super) fn show_house(&self) {
        let mut channels: Vec<ChannelStatus> = self.lanes.values().map(Lane::status).collect();
        for channel in &mut channels {
            let broken = self.broken.get(&channel.name);
            channel.broken_since = broken.map(|broken| broken.since);
            self.tools.metrics.channel_broken(&channel.name, broken.is_some());
        }
        let store_is_failing = self.ledger.is_failing();
        self.tools.board.keep_house(|house| {
            house.channels = channels;
            house.store_is_failing = store_is_failing;
        });
    }

    fn post(&mut self, alert: &Alert, except: Option<&str>, batch: &mut Batch) {
        let now = self.tools.clock.now();
        let alert = &Alert { silenced: self.mark_of(alert), ..alert.clone() };
        batch.record(trail::of_alert(alert));
        let notify = self.rules.alerts.notify.contains(alert.news.kind());
        let (incident, ends) = (alert.incident(), alert.status() == Status::Resolved);
        let routes = &self.rules.alerts.routes;
        // The end of an incident goes wherever its beginning went, whatever the configuration says by now.
        let is_told = |lane: &Lane| {
            let is_routed = lane.wants(alert, notify) && (lane.is_log() || routes.reach(alert, lane.name()));
            is_routed || ends && lane.knows(&incident)
        };
        let lanes = self.lanes.values_mut().filter(|lane| except != Some(lane.name()) && is_told(lane));
        for lane in lanes {
            batch.settle(lane.push(alert.clone(), now));
        }
    }

    /// Writes what an event gave rise to, and shows it on the board.
    pub(super) async fn commit(&mut self, mut batch: Batch) {
        for name in &batch.touched {
            let Some(care) = self.cares.get(name) else { continue };
            if let Ok(body) = serde_json::to_vec(&care.memory) {
                batch.writes.push(Write::State { target: name.clone(), key: CARE_KEY, body });
            }
            self.show_care(name);
        }
        for write in &batch.writes {
            if let Write::Letter(letter) = write
                && letter.state == LetterState::Dead
            {
                self.tools.metrics.gave_up(&letter.channel);
            }
        }
        self.ledger.commit(batch.writes, self.tools.clock.now()).await;
    }

    /// Starts every delivery that is due. Each is written as begun first: after a kill it counts as one that may have
    /// arrived.
    pub(super) async fn pump(&mut self) {
        let now = self.tools.clock.now();
        for lane in self.lanes.values() {
            let waited = lane.oldest().map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
            self.tools.metrics.owed(lane.name(), lane.owed(), waited);
        }
        let due: Vec<_> = self.lanes.values_mut().filter_map(|lane| lane.pump(now)).collect();
        if due.is_empty() {
            return;
        }
        let (letters, attempts): (Vec<_>, Vec<_>) = due.into_iter().unzip();
        self.ledger.commit(letters.into_iter().map(Write::Letter).collect(), now).await;
        for attempt in attempts {
            let events = self.tools.events.clone();
            self.deliveries.spawn(async move {
                // Without a dispatcher the entry stays in the database and is sent after the next start.
                events.send(attempt.run().await).await.ok();
            });
        }
    }

    /// Lanes for the configured channels. A channel that stays hands its outbox on; a new one takes up what an earlier
    /// run has left in the database.
    pub(super) async fn open_lanes(&mut self, channels: Vec<Channel>) {
        // An attempt under way belongs to the old lane; its outcome would be taken for the new one's.
        self.deliveries.abort_all();
        while self.deliveries.join_next().await.is_some() {}
        let (mut before, mut batch) = (std::mem::take(&mut self.lanes), Batch::default());
        for channel in channels {
            let name = channel.name.clone();
            let entries = match before.remove(&name) {
                Some(lane) => lane.into_entries(),
                None => self.recall_entries(&name, &mut batch).await,
            };
            match Lane::open(channel, self.rules.alerts.outbox.clone(), entries) {
                Ok(lane) => drop(self.lanes.insert(name, lane)),
                // `config` has tried the same before it let the file through.
                Err(problem) => {
                    error!(channel = %name, error = errors::one_line(&problem), "channel {name} is not used");
                }
            }
        }
        self.on_lanes_opened(&mut batch);
        self.commit(batch).await;
    }

    /// What cannot be understood is given up, and says so: nobody can be told of it any more.
    async fn recall_entries(&self, channel: &str, batch: &mut Batch) -> Vec<Entry> {
        let name = channel.to_owned();
        let what = format!("what channel {channel} is owed");
        let letters = ledger::read(&self.tools.store, &what, move |reader| reader.pending_letters(&name)).await;
        let mut entries = Vec::new();
        for letter in letters.unwrap_or_default() {
            // Under another id than its own it would be sent anew at each start.
            if let Some(entry) = lanes::read_letter(&letter).filter(|entry| entry.id == letter.id) {
                entries.push(entry);
                continue;
            }
            self.tools.store.count_unreadable(1);
            let why = "what the state database holds of it cannot be understood";
            let says = format!("alert {} given up on {channel}: {why}", letter.id);
            batch.record(AuditEvent::new(self.tools.clock.now(), Topic::Delivery, "given_up", says));
            batch.writes.push(Write::Letter(Letter {
                state: LetterState::Dead,
                trouble: Some(why.to_owned()),
                ..letter
            }));
        }
        entries
    }
}
