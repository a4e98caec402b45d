//! `heapwatch silence`: holds back what is told of some targets for a while, shows what is held back, and ends it.

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};

use super::client::{AskError, ServerArgs};
use super::output::print;
use crate::silence::{Ask, Silence};
use crate::target::Labels;

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum SilenceCommand {
    /// Silence some targets: alerts are held back, while polls, verdicts and snapshots go on.
    ///
    /// The end of what was told before is told all the same. What is still true when the silence ends is told then, with
    /// the silence's reason. heapwatch's own troubles are never silenced.
    Add(AddArgs),
    /// Show the silences in force.
    List(ListArgs),
    /// End a silence before its time; what is still true is told at once.
    End(EndArgs),
}

/// A silence to add.
#[derive(Clone, Debug, Args)]
pub struct AddArgs {
    /// The target; `*` and `?` stand for others (quote them).
    #[arg(long, value_name = "NAME", required_unless_present_any = ["label", "all"])]
    target: Option<String>,
    /// A label that a target must have; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Every target.
    #[arg(long, conflicts_with_all = ["target", "label"])]
    all: bool,
    /// How long, such as `2h`.
    #[arg(long = "for", value_name = "DURATION")]
    span: String,
    /// The reason, for whoever wonders why nobody was called.
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Who you are.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "")]
    by: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Print the silence as JSON.
    #[arg(long)]
    json: bool,
}

/// How to show them.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which one to end.
#[derive(Clone, Debug, Args)]
pub struct EndArgs {
    /// Its id, or the start of it.
    id: String,
    /// Who you are.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "")]
    by: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Why the command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SilenceError {
    /// The daemon did not answer, or said no.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Standard output is gone.
    #[error("cannot print")]
    Print(#[from] std::io::Error),
}

#[derive(Deserialize, Serialize)]
struct Silences {
    silences: Vec<Silence>,
}

/// Runs the command.
pub async fn run(command: SilenceCommand) -> Result<(), SilenceError> {
    match command {
        SilenceCommand::Add(args) => add(args).await,
        SilenceCommand::List(args) => list(args).await,
        SilenceCommand::End(args) => end(args).await,
    }
}

async fn add(args: AddArgs) -> Result<(), SilenceError> {
    let AddArgs { target, label, all, span, why, by, server, json } = args;
    let ask = Ask { target, labels: label.into_iter().collect::<Labels>(), all, span, why, by };
    // Plain data with text keys, which JSON can always hold.
    let body = serde_json::to_value(&ask).unwrap_or_default();
    let silence: Silence = server.put_in(&["api", "v1", "silences"], body).await?;
    if json {
        print(&serde_json::to_string_pretty(&silence).unwrap_or_default())?;
    } else {
        let Silence { id, scope, until, .. } = &silence;
        print(&format!("{id}: {scope} is silenced until {until}; `heapwatch silence end {id}` ends it"))?;
    }
    Ok(())
}

async fn list(args: ListArgs) -> Result<(), SilenceError> {
    let known: Silences = args.server.get(&["api", "v1", "silences"]).await?;
    if args.json {
        print(&serde_json::to_string_pretty(&known).unwrap_or_default())?;
    } else if known.silences.is_empty() {
        print("nothing is silenced")?;
    } else {
        print(&table(&known.silences).to_string())?;
    }
    Ok(())
}

async fn end(args: EndArgs) -> Result<(), SilenceError> {
    let path = ["api", "v1", "silences", args.id.as_str()];
    let silence: Silence = args.server.delete(&path, &[("by", args.by)]).await?;
    print(&format!("{}: the silence of {} is over", silence.id, silence.scope))?;
    Ok(())
}

fn table(silences: &[Silence]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["ID", "SILENCED", "UNTIL", "BY", "BECAUSE"]);
    for silence in silences {
        let Silence { id, scope, until, by, why, .. } = silence;
        table.add_row([id.clone(), scope.to_string(), until.to_string(), by.clone(), why.clone()]);
    }
    table
}

/// `team=payments`.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("`{text}` is no label (for example team=payments)");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    if name.is_empty() { Err(wrong()) } else { Ok((name.to_owned(), value.to_owned())) }
}
