//! `heapwatch top`: every target in the terminal, the most urgent first, as long as somebody looks.
//!
//! It asks the daemon like any other command; where it does not answer, what was last seen stays, marked as old. Without
//! a terminal it prints one table and ends.

mod frame;
mod screen;
mod view;

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::client::{AskError, ServerArgs};
use super::explain;
use super::output::print;
use super::status::{self, Targets};
use crate::daemon::signals::{Listener, Request};
use crate::errors;
use crate::leak::Picture;
use crate::target::TargetName;
use screen::{Input, Screen};
use view::{View, Wish};

/// Show every target live, the most urgent first.
///
/// Keys: arrows or j and k choose a target, Enter shows every gate of its verdict, Esc goes back, n sorts by name and u
/// by urgency, q quits.
#[derive(Clone, Debug, Args)]
pub struct TopArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Time between two looks.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_interval)]
    interval: Duration,
}

/// Why it ended early.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// The daemon did not answer, and there is nobody to wait with.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The terminal is gone, or is none.
    #[error("cannot use the terminal")]
    Terminal(#[from] io::Error),
}

/// What the asking task has found out.
enum News {
    Targets(Result<Targets, AskError>),
    /// How the verdict on a target was reached, as text.
    Details(TargetName, String),
}

/// Shows the view until somebody has seen enough.
pub async fn run(args: TopArgs) -> Result<(), TopError> {
    if !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
        let all: Targets = args.server.get(&["api", "v1", "targets"]).await?;
        let view = View::of(all.targets);
        return Ok(print(&status::table(&view.targets().cloned().collect::<Vec<_>>()).to_string())?);
    }
    // Before the terminal is changed: a signal must find somebody who puts it back.
    let mut signals = Listener::start()?;
    let mut screen = Screen::open()?;
    let mut inputs = screen::inputs();
    let (wanted, news) = (mpsc::channel(1), mpsc::channel(1));
    let (wants, mut news_queue) = (wanted.0, news.1);
    let asking = tokio::spawn(ask(args.server, args.interval, wanted.1, news.0));
    let mut view = View::default();
    loop {
        screen.draw(|width, height| frame::render(&view, width, height))?;
        // All three are cancel-safe: queues.
        let wish = tokio::select! {
            input = inputs.recv() => view.on_input(input.unwrap_or(Input::Quit)),
            Some(news) = news_queue.recv() => on_news(&mut view, news),
            request = signals.next() => if request == Request::Stop { Wish::Quit } else { Wish::Nothing },
        };
        match wish {
            Wish::Quit => break,
            // Full while the answer before is on its way, which will do.
            Wish::Details(name) => drop(wants.try_send(Some(name))),
            Wish::NoDetails => drop(wants.try_send(None)),
            Wish::Nothing => {}
        }
    }
    asking.abort();
    Ok(())
}

fn on_news(view: &mut View, news: News) -> Wish {
    match news {
        News::Targets(Ok(all)) => view.on_targets(all.targets),
        News::Targets(Err(problem)) => view.on_silence(errors::one_line(&problem)),
        News::Details(name, text) => view.on_details(&name, &text),
    }
    Wish::Nothing
}

/// Asks at every tick, for one target in depth where somebody looks at it.
async fn ask(
    server: ServerArgs,
    every: Duration,
    mut wants: mpsc::Receiver<Option<TargetName>>,
    news: mpsc::Sender<News>,
) {
    let mut ticks = interval(every);
    // A daemon that is slow to answer is not asked twice in a row.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked_at = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            wish = wants.recv() => match wish {
                Some(wish) => looked_at = wish,
                None => return,
            }
        }
        if let Some(name) = &looked_at {
            let text = details(&server, name).await.unwrap_or_else(|problem| errors::one_line(&problem));
            if news.send(News::Details(TargetName::clone(name), text)).await.is_err() {
                return;
            }
        }
        if news.send(News::Targets(server.get(&["api", "v1", "targets"]).await)).await.is_err() {
            return;
        }
    }
}

async fn details(server: &ServerArgs, name: &TargetName) -> Result<String, AskError> {
    let path = ["api", "v1", "targets", name.as_str()];
    let status: crate::status::TargetStatus = server.get(&path).await?;
    let Some(verdict) = &status.watch.verdict else { return Ok("not polled yet".to_owned()) };
    let picture: Picture = server.get(&[&path[..], &["picture"]].concat()).await?;
    Ok(explain::render(verdict, &picture))
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let every = humantime::parse_duration(text).map_err(|problem| format!("{problem} (for example 2s)"))?;
    let is_sensible = (Duration::from_millis(100)..=Duration::from_hours(1)).contains(&every);
    is_sensible.then_some(every).ok_or_else(|| "must be from 100ms to 1h".to_owned())
}
