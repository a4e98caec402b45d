//! What a daemon leaves behind, held against what its receivers and its targets have seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;

use heapwatch::clock::Timestamp;
use heapwatch::store::Store;
use heapwatch::store::record::Attempt;
use heapwatch::store::sidecar::Sidecar;
use heapwatch::target::TargetName;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::actors::{Stage, Turns};
use super::puppet::heap;
use super::subject::{BUDGET, CHECKPOINT_MS, Subject};
use crate::support::daemon::files_below;
use crate::support::polling::wait_for;

/// What both daemons must say of each target in the end.
const ENDS: [(&str, &str); 6] = [
    ("leaky", "steady"),
    ("restarting", "steady"),
    ("flappy", "steady"),
    ("listening", "steady"),
    ("thrifty", "leaking"),
    ("fragile", "leaking"),
];
/// Polls, commits and kills take their time on a busy machine.
const SLACK_MS: i64 = 1_000;
/// Without its checkpoint a daemon may have seen nothing since its start.
const REMINDER_MS: i64 = 5_000;

/// A file that looks whole is whole, whatever the daemon was doing when it died.
pub(super) fn no_half_snapshot_looks_whole(subject: &Subject, killed: Timestamp) {
    let directory = subject.daemon.home.path("snapshots");
    let whole = heap();
    for file in files_below(&directory) {
        let path = directory.join(&file);
        if file.ends_with(".heapsnapshot") {
            assert!(fs::read(&path).unwrap() == whole.as_bytes(), "{file} is not whole after the kill at {killed}");
        } else if file.ends_with("_first.json") || file.ends_with("_second.json") {
            let sidecar: Sidecar = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(sidecar.bytes, whole.len() as u64, "{file}");
            assert_eq!(sidecar.sha256, sum(whole.as_bytes()), "{file}");
        }
    }
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Verdicts, episodes, budgets and bans are the same in the end, and nothing is owed to anybody.
pub(super) async fn both_come_to_the_same(killed: &Subject, twin: &Subject, stage: &Stage) {
    for subject in [killed, twin] {
        let name = subject.name;
        for (target, verdict) in ENDS {
            let what = format!("{target} is {verdict} in the eyes of the {name}");
            let end =
                subject.daemon.target_when(target, &what, |status| status["watch"]["verdict"]["state"] == verdict);
            let care = end.await["care"].take();
            assert_eq!(care["episode"].is_object(), verdict == "leaking", "{name}: {care:#}");
            assert_eq!(care["disarmed"].is_string(), target == "fragile", "{name}: {care:#}");
        }
        let spent = |status: &Value| status["care"]["captures_last_day"] == BUDGET;
        subject.daemon.target_when("thrifty", "its budget is spent", spent).await;
        subject.inbox.has(1, "fragile", "still_leaking", |_| true).await;
        for channel in ["hook", "pager"] {
            let owed = format!("heapwatch_outbox_depth{{channel=\"{channel}\"}}");
            let nothing = async || subject.daemon.metric(&owed).await.filter(|owed| *owed < 1.0);
            wait_for(&format!("nothing is owed to the {channel} of the {name}"), nothing).await;
        }
    }
    let restarts = stage.leaky.puppet.state().pid;
    assert!(restarts > 100, "the story has begun");
}

/// All that is left of a daemon that has stopped.
pub(super) struct Trail {
    subject: Subject,
    audit: Vec<Line>,
    attempts: BTreeMap<&'static str, Vec<Attempt>>,
    /// When the target that is always up was sampled.
    samples: Vec<Timestamp>,
    /// Every letter by channel and id, with its state.
    letters: BTreeMap<(String, String), String>,
}

/// One line of the audit trail.
#[derive(Debug)]
struct Line {
    wall_ms: i64,
    target: Option<String>,
    kind: String,
    detail: Value,
}

impl Line {
    fn is_alert(&self) -> bool {
        self.detail["news"].is_object()
    }
}

fn audit(database: &rusqlite::Connection) -> Vec<Line> {
    let mut rows = database.prepare("SELECT at_wall, target, kind, json FROM audit ORDER BY id").unwrap();
    let lines = rows.query_map([], |row| {
        let detail = serde_json::from_str(&row.get::<_, String>(3)?).unwrap();
        let kind: String = row.get(2)?;
        assert!(heapwatch::cli::events::is_kind(&kind), "{kind} is no kind that can be asked for");
        Ok(Line { wall_ms: row.get(0)?, target: row.get(1)?, kind: row.get(2)?, detail })
    });
    lines.unwrap().map(|line| line.unwrap()).collect()
}

impl Trail {
    /// Stops the daemon and reads what it has written.
    pub(super) async fn of(mut subject: Subject) -> Self {
        subject.daemon.signal(rustix::process::Signal::TERM);
        assert!(subject.daemon.ended().await.success());
        let state = subject.daemon.home.path("state");
        let store = Store::attach(&state).unwrap();
        let name = |name: &str| TargetName::new(name).unwrap();
        let beginning = Timestamp::from_unix_ms(0);
        let (samples, attempts) = store
            .read(|reader| {
                let mut attempts = BTreeMap::new();
                for target in ["leaky", "thrifty", "fragile"] {
                    attempts.insert(target, reader.attempts(&name(target), beginning)?);
                }
                let samples = reader.samples(&name("restarting"), beginning)?;
                Ok((samples, attempts))
            })
            .unwrap();
        let samples = samples.into_iter().map(|sample| sample.at).collect();
        let database = rusqlite::Connection::open(state.join("heapwatch.db")).unwrap();
        let mut outbox = database.prepare("SELECT channel, id, body FROM outbox").unwrap();
        let rows = outbox.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))).unwrap();
        let letters = rows.map(|row| row.unwrap()).map(|(channel, id, body): (String, String, String)| {
            let entry: Value = serde_json::from_str(&body).unwrap();
            let state = entry["state"]["state"].as_str().unwrap();
            // One may have come due at the stop.
            let owed_reminder = state == "waiting" && entry["alert"]["news"]["kind"] == "leak_reminder";
            ((channel, id), if owed_reminder { "owed".to_owned() } else { state.to_owned() })
        });
        let letters = letters.collect();
        let audit = audit(&database);
        Self { subject, audit, attempts, samples, letters }
    }

    pub(super) fn is_as_it_must_be(&self, turns: &Turns) {
        self.everything_is_said_once(turns);
        self.reminders_keep_their_distance();
        self.everything_written_was_received_and_nothing_else();
        self.no_resolve_comes_before_its_trigger();
        self.every_capture_is_in_the_books();
        self.missing_samples_are_admitted();
    }

    fn said(&self, target: &str, kind: &str) -> Vec<Value> {
        let lines = self.audit.iter().filter(|line| line.is_alert() && line.target.as_deref() == Some(target));
        lines.filter(|line| line.kind == kind).map(|line| line.detail.clone()).collect()
    }

    fn is(&self, what: &str, found: &dyn Debug, expected: &dyn Debug, right: bool) {
        assert!(right, "the {}: {what}: {found:?}, not {expected:?}\n{:#?}", self.subject.name, self.audit);
    }

    fn times(&self, target: &str, kind: &str, expected: usize) {
        let found = self.said(target, kind).len();
        self.is(&format!("{kind} of {target}"), &found, &expected, found == expected);
    }

    /// Each thing that has happened was found once, so it has one id, under which alone it can have been sent.
    fn everything_is_said_once(&self, turns: &Turns) {
        for kind in ["leak_confirmed", "leak_resolved", "target_restarted"] {
            self.times("leaky", kind, turns.leaks);
        }
        self.times("restarting", "target_restarted", turns.restarts);
        for target in ["thrifty", "fragile"] {
            self.times(target, "leak_confirmed", 1);
            self.times(target, "leak_resolved", 0);
        }
        self.times("thrifty", "target_restarted", 0);
        self.times("fragile", "target_restarted", 1);
        self.times("fragile", "still_leaking", 1);
        let disarmed = self.subject.inbox.ids("fragile", "snapshot_failed", |data| data["failed"]["disarmed"] == true);
        let disarmed = disarmed.len();
        self.is("fragile is disarmed", &disarmed, &1, disarmed == 1);
        let trouble: Vec<&Line> = self.audit.iter().filter(|line| line.kind == "trouble").collect();
        self.is("trouble", &trouble, &0, trouble.is_empty());
        let taken = |status: &str| self.subject.inbox.ids("listening", "gauge", |data| data["status"] == status).len();
        let gauges = (taken("firing"), taken("resolved"));
        self.is("gauge of listening", &gauges, &turns.excesses, gauges == (turns.excesses, turns.excesses));
        let is_outage = |data: &Value| data.to_string().contains("503");
        let outages = self.subject.inbox.ids("flappy", "target_down", is_outage).len();
        self.is("target_down of flappy", &outages, &turns.outages, outages == turns.outages);
    }

    fn reminders_keep_their_distance(&self) {
        let reminders = self.said("thrifty", "leak_reminder");
        let times: Vec<i64> = reminders.iter().filter_map(|alert| alert["at"]["steady_ms"].as_i64()).collect();
        assert_eq!(times.len(), reminders.len());
        let nearest = times.windows(2).map(|pair| pair[1] - pair[0]).min();
        self.is("reminders", &nearest, &"5 s apart", nearest.is_none_or(|nearest| nearest >= REMINDER_MS));
    }

    fn everything_written_was_received_and_nothing_else(&self) {
        let inbox = &self.subject.inbox;
        let taken: BTreeSet<String> = inbox.hook.taken().iter().map(|request| id_of(&request.json())).collect();
        let received: BTreeSet<String> = inbox.hook.received().iter().map(|request| id_of(&request.json())).collect();
        let letters: BTreeMap<&String, &String> = self
            .letters
            .iter()
            .filter(|((channel, _), _)| channel == "hook")
            .map(|((_, id), state)| (id, state))
            .collect();
        for (id, state) in &letters {
            let fine = match state.as_str() {
                "delivered" | "standing" => taken.contains(*id),
                "collapsed" | "owed" => true,
                _ => false,
            };
            self.is("a letter", &(id, state), &"delivered, and received", fine);
        }
        let unwritten: Vec<&String> = received.iter().filter(|id| !letters.contains_key(id)).collect();
        self.is("sent without being written", &unwritten, &0, unwritten.is_empty());
        let alerts = self.audit.iter().filter(|line| line.is_alert() && line.kind != "leak_suspected");
        let unsent: Vec<&Line> = alerts.filter(|line| !letters.contains_key(&text(&line.detail["id"]))).collect();
        self.is("found and not put into the outbox", &unsent, &0, unsent.is_empty());
    }

    fn no_resolve_comes_before_its_trigger(&self) {
        let inbox = &self.subject.inbox;
        let mut first = BTreeSet::new();
        let hook = inbox.hook.taken().into_iter().map(|request| request.json()["data"].take());
        let hook = hook.filter(|data| first.insert(data["alert_id"].to_string()) && data["status"] != "note");
        let hook = hook.map(|data| (text(&data["incident"]), data["status"] == "resolved"));
        self.incidents_are_in_order("hook", hook.collect());
        let mut last = BTreeMap::new();
        let pager = inbox.pager.taken().into_iter().map(|request| request.json());
        let pager = pager.map(|event| (text(&event["dedup_key"]), event["event_action"] == "resolve"));
        // The same event may arrive twice, one right after the other.
        let pager = pager.filter(|(key, resolved)| last.insert(key.clone(), *resolved) != Some(true) || !resolved);
        self.incidents_are_in_order("pager", pager.collect());
    }

    fn incidents_are_in_order(&self, channel: &str, events: Vec<(String, bool)>) {
        let mut open = BTreeSet::new();
        let mut closed = BTreeSet::new();
        for (incident, resolved) in events {
            let fine = if resolved {
                closed.insert(incident.clone());
                open.remove(&incident)
            } else {
                open.insert(incident.clone());
                // An episode is never opened again; other incidents are named by what is wrong, which may come again.
                !incident.contains("/leak/") || !closed.contains(&incident)
            };
            self.is(&format!("order of {channel}"), &(&incident, resolved), &"a trigger, then its resolve", fine);
        }
    }

    /// No capture without an attempt written before it; no more attempts without one than there were kills.
    fn every_capture_is_in_the_books(&self) {
        let Subject { name, kills, leaky, thrifty, fragile, .. } = &self.subject;
        for (target, act) in [("leaky", leaky), ("thrifty", thrifty), ("fragile", fragile)] {
            let (written, asked) = (self.attempts[target].len(), act.puppet.captures(name));
            let fine = (asked..=asked + kills.len()).contains(&written);
            self.is(&format!("attempts of {target}"), &written, &asked, fine);
        }
        let spent = self.attempts["thrifty"].len();
        self.is("attempts of thrifty", &spent, &BUDGET, spent == BUDGET);
        let asked = fragile.puppet.captures(name);
        self.is("captures of fragile", &asked, &1, asked == 1);
        let open: Vec<&Attempt> =
            self.attempts.values().flatten().filter(|attempt| attempt.outcome == "started").collect();
        self.is("attempts without an end", &open, &0, open.is_empty());
    }

    /// Of a target that always answers, samples are missing only before a kill, no more than a checkpoint's, while
    /// the daemon was down besides; and the start after it says so.
    fn missing_samples_are_admitted(&self) {
        let starts = self.audit.iter().filter(|line| line.kind == "started");
        let unclean = starts.filter(|line| line.detail["stopped_cleanly"] == false).map(|line| line.wall_ms);
        let unclean: Vec<i64> = unclean.collect();
        let kills = &self.subject.kills;
        self.is("starts after a kill", &unclean.len(), &kills.len(), unclean.len() <= kills.len());
        for pair in self.samples.windows(2) {
            let (before, after) = (pair[0].wall_ms(), pair[1].wall_ms());
            if after - before <= SLACK_MS {
                continue;
            }
            let within = |at: &i64| (before..=after).contains(at);
            let Some(first) = kills.iter().map(|kill| kill.wall_ms()).find(within) else {
                self.is("samples are missing", &(before, after), &"none without a kill", false);
                continue;
            };
            // Ten polls take longer where each of them comes late.
            let fine = first - before <= 2 * CHECKPOINT_MS + SLACK_MS;
            self.is("samples missing before a kill", &(first - before), &CHECKPOINT_MS, fine);
            let told = unclean.iter().any(within);
            self.is("samples are missing", &(before, after), &unclean, told);
        }
    }
}

fn id_of(body: &Value) -> String {
    text(&body["data"]["alert_id"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
