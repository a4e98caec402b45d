//! `heapwatch check`: the configuration, all its problems at once, secrets and directories resolved.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::exit::Failure;
use super::silence::label;
use super::sources::ConfigArgs;
use crate::alert::message::Severity;
use crate::alert::route::Subject;
use crate::alert::{Channel, ChannelKind};
use crate::config::{Config, Listen, Source, Target};
use crate::discovery::list::Instance;
use crate::discovery::{Place, file};
use crate::http::{Credentials, ShownUrl};
use crate::target::Labels;

/// Check the configuration, and say what heapwatch would do with it.
///
/// Reads the file, the `HEAPWATCH_` variables and every secret they name, and looks whether the directories can be
/// written; it asks no target and creates nothing. All problems are told at once, each with its key, where it was
/// set, what is allowed and an example. Exit code 78 where there are any.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// Which file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Say which channels an alert about a target with this label would reach; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub route: Vec<(String, String)>,
    /// The severity of that alert.
    #[arg(long, value_name = "SEVERITY", value_parser = ["info", "warning", "critical"], requires = "route")]
    pub severity: Option<String>,
    /// The kind of that alert.
    #[arg(long, value_name = "KIND", default_value = "leak_confirmed", requires = "route")]
    pub event: String,
}

/// Runs the command.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let config = args.config.load()?;
    let mut stdout = io::stdout().lock();
    if !args.route.is_empty() {
        return Ok(writeln!(stdout, "{}", routed(args, &config))?);
    }
    if args.json {
        writeln!(stdout, "{:#}", as_json(&config))?;
    } else {
        write!(stdout, "{}", as_text(&config))?;
        for warning in &config.warnings {
            writeln!(io::stderr(), "heapwatch: warning: {warning}")?;
        }
    }
    Ok(())
}

/// Where an alert would go, and by which routes, counted from 1.
fn routed(args: &CheckArgs, config: &Config) -> String {
    let severity = match args.severity.as_deref() {
        Some("critical") => Severity::Critical,
        Some("info") => Severity::Info,
        _ => Severity::Warning,
    };
    let labels: Labels = args.route.iter().cloned().collect();
    let subject = Subject { labels: &labels, severity, kind: &args.event };
    let (told, deciding) = (config.alerts.routes.told(&subject), config.alerts.routes.deciding(&subject));
    let is_notified = config.alerts.notify.contains(args.event.as_str());
    let is_told = |channel: &&Channel| {
        let has_labels = channel.labels.iter().all(|(name, value)| labels.get(name) == Some(value));
        let is_log = matches!(channel.kind, ChannelKind::Log);
        severity >= channel.min_severity && has_labels && (is_log || is_notified && told.has(&channel.name))
    };
    let channels: Vec<&str> = config.channels.iter().filter(is_told).map(|channel| channel.name.as_str()).collect();
    let routes: Vec<usize> = deciding.iter().map(|number| number + 1).collect();
    if args.json {
        return json!({ "channels": channels, "routes": routes }).to_string();
    }
    let by = match routes.as_slice() {
        [] => "no route matches".to_owned(),
        routes => format!("by route {}", routes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    format!("{} ({by})", channels.join(", "))
}

fn as_text(config: &Config) -> String {
    let mut lines = Vec::new();
    let file = config.file.as_ref().map_or_else(|| "the configuration".to_owned(), |file| file.display().to_string());
    lines.push(format!("{file} is fine"));
    lines.extend(config.included.iter().map(|file| format!("with {}", file.display())));
    lines.push(format!("state in {}", config.state_directory.display()));
    lines.push(format!("snapshots in {}", config.snapshot_directory.display()));
    lines.push(format!("status page on {}", shown(&config.web.listen)));
    if config.web.metrics_listen != Listen::Off {
        lines.push(format!("metrics on {}", shown(&config.web.metrics_listen)));
    }
    lines.push(format!("{}:", counted(config.targets.len(), "target")));
    lines.extend(config.targets.iter().map(|target| format!("  {}", describe(target))));
    if !config.sources.is_empty() {
        lines.push(format!("{}:", counted(config.sources.len(), "source")));
        lines.extend(config.sources.iter().map(|source| format!("  {}", Listed::of(source).describe(source))));
    }
    lines.push(format!("{}:", counted(config.channels.len(), "channel")));
    for channel in &config.channels {
        lines.push(format!(
            "  {}: {}, {} and above",
            channel.name,
            receiver(&channel.kind),
            channel.min_severity.name()
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// What a source lists at present, where that can be seen without asking anybody.
#[derive(Default)]
struct Listed {
    /// `None` where only the daemon asks.
    targets: Option<usize>,
    problems: Vec<String>,
}

impl Listed {
    fn of(source: &Source) -> Self {
        let Place::Files(files) = &source.options.place else { return Self::default() };
        let mut listed = Self { targets: Some(0), problems: Vec::new() };
        for found in file::read_once(files).into_values() {
            match found {
                Ok(instances) => listed.take(source, &instances.unwrap_or_default()),
                Err(problem) => listed.problems.push(problem),
            }
        }
        listed
    }

    fn take(&mut self, source: &Source, instances: &[Instance]) {
        for instance in instances {
            match source.template.instance(&source.name, instance) {
                Ok(_) => self.targets = self.targets.map(|targets| targets + 1),
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    /// `inventory: file_sd /etc/heapwatch/sd/*.json every 5s, 12 targets now`.
    fn describe(&self, source: &Source) -> String {
        let place = &source.options.place;
        let refresh = humantime::format_duration(source.options.refresh);
        let now = self.targets.map_or_else(String::new, |targets| format!(", {} now", counted(targets, "target")));
        let summary = format!("{}: {} {} every {refresh}{now}", source.name, place.kind(), place.shown());
        [&[summary], self.problems.as_slice()].concat().join("; ")
    }
}

/// `webhook to hooks.example.com`, `log`.
fn receiver(kind: &ChannelKind) -> String {
    match kind {
        ChannelKind::Log => kind.name().to_owned(),
        _ => format!("{} to {}", kind.name(), kind.shown()),
    }
}

fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// `checkout-api: http://127.0.0.1:3000/health/debug every 30s, no limit known, snapshots with a token, no profiles`.
fn describe(target: &Target) -> String {
    let limit = match target.leak.memory_limit {
        Some(limit) => format!("limit {limit}"),
        None => "the limit that it reports itself".to_owned(),
    };
    let snapshots = match &target.capture {
        Some(capture) => format!("snapshots from {} with {}", capture.url.path(), proof(&capture.credentials)),
        None => "no snapshots".to_owned(),
    };
    let profiles = match &target.profile {
        Some(profile) if profile.is_promised => format!("profiles from {}", profile.url.path()),
        Some(profile) => format!("profiles from {} if it has them", profile.url.path()),
        None => "no profiles".to_owned(),
    };
    format!(
        "{}: {} every {} with {}, {limit}, {snapshots}, {profiles}",
        target.name,
        ShownUrl::of(&target.probe.url),
        humantime::format_duration(target.interval),
        proof(&target.probe.credentials),
    )
}

fn proof(credentials: &Credentials) -> String {
    match credentials {
        Credentials::None => "no credentials".to_owned(),
        Credentials::Basic { user, .. } => format!("the password of {user}"),
        Credentials::Bearer(_) => "a token".to_owned(),
    }
}

fn shown(listen: &Listen) -> String {
    match listen {
        Listen::Off => "no port".to_owned(),
        Listen::Tcp(address) => format!("http://{address}/"),
        Listen::Unix(path) => path.display().to_string(),
    }
}

fn as_json(config: &Config) -> Value {
    let targets: Vec<Value> = config.targets.iter().map(target_json).collect();
    let channels: Vec<Value> = config
        .channels
        .iter()
        .map(|channel| {
            json!({
                "name": channel.name,
                "type": channel.kind.name(),
                "to": channel.kind.shown(),
                "min_severity": channel.min_severity.name(),
            })
        })
        .collect();
    json!({
        "file": config.file,
        "included": config.included,
        "state_directory": config.state_directory,
        "snapshot_directory": config.snapshot_directory,
        "listen": shown(&config.web.listen),
        "metrics_listen": shown(&config.web.metrics_listen),
        "targets": targets,
        "sources": config.sources.iter().map(source_json).collect::<Vec<_>>(),
        "channels": channels,
        "pings": config.alerts.pings.iter().map(|ping| ShownUrl::origin(&ping.url).to_string()).collect::<Vec<_>>(),
        "warnings": config.warnings,
    })
}

fn source_json(source: &Source) -> Value {
    let listed = Listed::of(source);
    json!({
        "name": source.name,
        "type": source.options.place.kind(),
        "place": source.options.place.shown(),
        "refresh_seconds": source.options.refresh.as_secs_f64(),
        "targets": listed.targets,
        "problems": listed.problems,
    })
}

fn target_json(target: &Target) -> Value {
    json!({
        "name": target.name,
        "labels": target.labels,
        "group": target.group,
        "url": ShownUrl::of(&target.probe.url).to_string(),
        "interval_seconds": target.interval.as_secs_f64(),
        "memory_limit_bytes": target.leak.memory_limit.map(crate::units::ByteSize::bytes),
        "credentials": proof(&target.probe.credentials),
        "snapshots": target.capture.as_ref().map(|capture| json!({
            "url": ShownUrl::of(&capture.url).to_string(),
            "credentials": proof(&capture.credentials),
        })),
        "profiles": target.profile.as_ref().map(|profile| json!({
            "url": ShownUrl::of(&profile.url).to_string(),
            "credentials": proof(&profile.credentials),
            "is_promised": profile.is_promised,
        })),
    })
}
