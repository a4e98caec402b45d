//! `heapwatch test-alert`: a trigger and its resolve through the renderer, signer, outbox and sender of real alerts.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{AskError, ServerArgs};
use super::exit::Failure;
use super::logging;
use super::sources::ConfigArgs;
use crate::alert::channel::{Origin, SendError, Sender};
use crate::alert::message::{Alert, Status};
use crate::alert::outbox::{self, Attempt, Next, Outbox, Outcome};
use crate::alert::policy;
use crate::config::Listen;
use crate::daemon::clock::Clock;
use crate::errors;
use crate::store::Store;
use crate::store::record::BrokenChannel;

/// Send a test alert and its resolve, and show what went out and what came back.
///
/// The alerts take the same way as real ones: the same wording, signature, order and deadlines. Nothing is tried
/// twice. Exit code 1 where a channel did not take both.
#[derive(Clone, Debug, clap::Args)]
pub struct TestAlertArgs {
    /// Which file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Names of channels; all of them where none is given.
    pub channels: Vec<String>,
    /// Print one JSON object for each alert sent.
    #[arg(long)]
    pub json: bool,
}

/// What came of one alert.
#[derive(Debug)]
pub struct Trial {
    /// Name of the channel.
    pub channel: String,
    /// What it speaks, and where.
    pub to: String,
    /// The alert.
    pub alert: Alert,
    /// The bodies as sent, secrets masked; none for the log.
    pub bodies: Vec<String>,
    /// HTTP status and answer of the receiver, or why it did not take it.
    pub outcome: Result<(Option<u16>, String), SendError>,
    /// How long the attempt took.
    pub took: Duration,
}

/// Not every channel took both alerts.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {tried} channels did not take the test alert")]
struct NotTaken {
    failed: usize,
    tried: usize,
}

/// Runs the command.
pub async fn run(args: TestAlertArgs) -> Result<(), Failure> {
    let config = args.config.load()?;
    logging::start(config.log)?;
    let known: Vec<String> = config.channels.iter().map(|channel| channel.name.clone()).collect();
    if let Some(unknown) = args.channels.iter().find(|name| !known.contains(name)) {
        return Err(Failure::Usage(format!("no channel is named `{unknown}`; configured are {}", known.join(", "))));
    }
    let is_chosen = |name: &String| args.channels.is_empty() || args.channels.contains(name);
    let (mut tried, mut failed) = (0, 0);
    for channel in config.channels.into_iter().filter(|channel| is_chosen(&channel.name)) {
        let options = config.alerts.outbox.clone().for_kind(&channel.kind);
        let sender = Sender::new(channel, Origin::of_this_host())?;
        let trials = try_channel(&sender, options, Clock::start()).await;
        let is_taken = trials.iter().all(|trial| trial.outcome.is_ok());
        tried += 1;
        failed += usize::from(!is_taken);
        if is_taken {
            mend(&sender.channel().name, &config.web.listen, &config.state_directory).await;
        }
        let mut stdout = io::stdout().lock();
        for trial in &trials {
            if args.json {
                writeln!(stdout, "{}", trial.to_json())?;
            } else {
                write!(stdout, "{}", trial.to_text())?;
            }
        }
    }
    if failed > 0 { Err(NotTaken { failed, tried }.into()) } else { Ok(()) }
}

/// The channel works, so a daemon that has found it broken tries it anew: now where it runs, else when it starts.
async fn mend(channel: &str, listen: &Listen, state: &Path) {
    if let Some(server) = ServerArgs::of(listen) {
        let asked = server.post::<Value>(&["api", "v1", "channels", channel, "mend"]).await;
        if !matches!(asked, Err(AskError::Silent { .. })) {
            return;
        }
    }
    // Without a database there is no broken channel either.
    let Ok(store) = Store::attach(state) else { return };
    let mark = |broken: BrokenChannel| {
        let now = Clock::start().now();
        // No configuration has this fingerprint, so that the next start takes it for changed, and tells the others.
        let tried = BrokenChannel { fingerprint: String::new(), ..broken };
        store.transaction(now, |writer| writer.put_broken_channel(&tried))
    };
    let known = store.read(|reader| reader.broken_channels(Some(channel))).unwrap_or_default();
    if let Some(Err(problem)) = known.into_iter().next().map(mark) {
        tracing::warn!(
            channel,
            error = errors::one_line(&problem),
            "{channel} works, and the state database cannot be told"
        );
    }
}

/// Sends a trigger and, if that was taken, its resolve.
pub async fn try_channel(sender: &Sender, options: outbox::Options, clock: Clock) -> Vec<Trial> {
    let mut outbox = Outbox::new(&sender.channel().name, options, Vec::new());
    let mut trials = Vec::new();
    for status in [Status::Firing, Status::Resolved] {
        let now = clock.now();
        drop(outbox.push(policy::test(status, now), now));
        let Some(attempt) = begin(&mut outbox, clock).await else { break };
        let trial = attempt_once(sender, *attempt, &mut outbox, clock).await;
        let is_taken = trial.outcome.is_ok();
        trials.push(trial);
        if !is_taken {
            break;
        }
    }
    trials
}

/// The next attempt, once the rate limit of the channel lets it begin.
async fn begin(outbox: &mut Outbox, clock: Clock) -> Option<Box<Attempt>> {
    loop {
        match outbox.next(clock.now()) {
            Next::Send(attempt) => return Some(attempt),
            Next::Wait(until) => tokio::time::sleep_until(clock.instant_of(until)).await,
            Next::Idle => return None,
        }
    }
}

async fn attempt_once(sender: &Sender, attempt: Attempt, outbox: &mut Outbox, clock: Clock) -> Trial {
    let Attempt { entry, delivery } = attempt;
    let bodies = sender.shown_bodies(&entry.alert, &delivery);
    let sent = sender.send(&entry.alert, &delivery).await;
    let now = clock.now();
    let outcome = match &sent {
        Ok(receipt) => Outcome::Taken(receipt.clone()),
        Err(problem) => Outcome::Failed { disposition: problem.disposition(), why: errors::one_line(problem) },
    };
    drop(outbox.settle(&entry.id, outcome, now, 0.0));
    let kind = &sender.channel().kind;
    Trial {
        channel: sender.channel().name.clone(),
        to: format!("{} at {}", kind.name(), kind.shown()),
        alert: entry.alert,
        bodies,
        outcome: sent.map(|receipt| (receipt.status, receipt.answer)),
        took: now.since(delivery.now),
    }
}

impl Trial {
    fn to_text(&self) -> String {
        let came = match &self.outcome {
            Ok((Some(status), answer)) if answer.is_empty() => format!("taken with status {status}"),
            Ok((Some(status), answer)) => format!("taken with status {status}: {answer}"),
            Ok((None, _)) => "written".to_owned(),
            Err(problem) => format!("not taken ({}): {}", problem.reason(), errors::one_line(problem)),
        };
        let (channel, to, id) = (&self.channel, &self.to, &self.alert.id);
        let mut text =
            format!("{channel} ({to}): {} {id} {came}, in {} ms\n", self.alert.status().name(), self.took.as_millis());
        for body in &self.bodies {
            text.push_str("  ");
            text.push_str(body);
            text.push('\n');
        }
        text
    }

    fn to_json(&self) -> Value {
        let (status, answer) = self.outcome.as_ref().map_or((None, None), |(status, answer)| (*status, Some(answer)));
        json!({
            "channel": self.channel,
            "to": self.to,
            "alert_id": self.alert.id,
            "incident": self.alert.incident(),
            "status": self.alert.status().name(),
            "taken": self.outcome.is_ok(),
            "http_status": status,
            "answer": answer,
            "error": self.outcome.as_ref().err().map(|problem| errors::one_line(problem)),
            "reason": self.outcome.as_ref().err().map(SendError::reason),
            "seconds": self.took.as_secs_f64(),
            "bodies": self.bodies,
        })
    }
}
