//! What the demo shows: a live line with a progress bar on a terminal, plain lines anywhere else.

use std::io::{IsTerminal, Write as _};

use indicatif::{ProgressBar, ProgressStyle};

use super::receiver::Received;
use crate::leak::verdict::State;
use crate::status::TargetStatus;
use crate::status::board::Board;
use crate::units::ByteSize;

/// The live view.
pub(super) struct View {
    bar: Option<ProgressBar>,
    shown_polls: u64,
    shown_state: Option<State>,
    snapshots: usize,
    stage: &'static str,
    unread: bool,
}

/// Steps of the story, for the progress bar.
const STEPS: u64 = 6;
/// Without a terminal, a line every so many polls shows that things go on.
const POLLS_PER_LINE: u64 = 4;

/// Prints one line. Whether anybody reads it: a reader that went away is no reason not to clean up.
pub(super) fn say(line: &str) -> bool {
    writeln!(std::io::stdout().lock(), "{line}").is_ok()
}

impl View {
    pub(super) fn new() -> Self {
        let bar = std::io::stdout().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:24} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::with_draw_target(Some(STEPS), indicatif::ProgressDrawTarget::stdout());
            bar.set_style(style);
            bar
        });
        Self {
            bar,
            shown_polls: 0,
            shown_state: None,
            snapshots: 0,
            stage: "the service was never read",
            unread: false,
        }
    }

    /// How far the story came.
    pub(super) const fn stage(&self) -> &'static str {
        self.stage
    }

    /// Whether the reader of the output has gone away, as `head` does.
    pub(super) const fn is_unread(&self) -> bool {
        self.unread
    }

    /// Shows what is new on the board.
    pub(super) fn show(&mut self, board: &Board) {
        let Some(status) = board.all().into_iter().next() else { return };
        let state = status.watch.verdict.as_ref().map(|verdict| verdict.state);
        if let Some(state) = state.filter(|state| self.shown_state != Some(*state)) {
            self.shown_state = Some(state);
            self.line(&format!("verdict: {state}{}", growth_of(&status)));
        }
        self.advance(&status);
        self.show_poll(&status);
    }

    /// A webhook came in: the body is shown as received.
    pub(super) fn received(&mut self, received: &Received) {
        let proof = match &received.signature {
            Ok(()) => "signature verified".to_owned(),
            Err(problem) => format!("SIGNATURE DOES NOT HOLD: {problem}"),
        };
        self.line(&format!("webhook received, {proof}:\n{}", received.body));
    }

    /// Ends the live part.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn advance(&mut self, status: &TargetStatus) {
        let episode = status.care.episode.as_ref();
        let snapshots = episode.map_or(0, |episode| episode.snapshots.len());
        let (step, stage) = match (status.watch.verdict.as_ref().map(|verdict| verdict.state), snapshots) {
            (None, _) => (0, "the service was never read"),
            (Some(State::WarmingUp), _) => (1, "warming up"),
            (_, 0) if episode.is_none() => (2, "watching for sustained growth"),
            (_, 0) => (3, "leak confirmed, first snapshot"),
            (_, 1) => (4, "first snapshot stored, waiting for the second"),
            (_, _) => (5, "pair stored, comparing"),
        };
        if let Some(episode) = episode {
            for name in episode.snapshots.iter().skip(self.snapshots) {
                self.line(&format!("snapshot stored: {name}"));
            }
        }
        self.snapshots = self.snapshots.max(snapshots);
        self.stage = stage;
        if let Some(bar) = &self.bar {
            bar.set_position(step);
        }
    }

    fn show_poll(&mut self, status: &TargetStatus) {
        let (polls, Some(sample)) = (status.watch.polls, &status.watch.sample) else { return };
        if polls == self.shown_polls {
            return;
        }
        let size =
            |bytes: Option<u64>| bytes.map_or_else(|| "unknown".to_owned(), |bytes| ByteSize::new(bytes).to_string());
        let text = format!(
            "poll {polls}: heapUsed {}, rss {}{} | {}",
            size(sample.heap_used),
            size(sample.rss),
            growth_of(status),
            self.stage
        );
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None if polls / POLLS_PER_LINE != self.shown_polls / POLLS_PER_LINE => self.line(&text),
            None => {}
        }
        self.shown_polls = polls;
    }

    fn line(&mut self, text: &str) {
        let is_read = match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        };
        self.unread |= !is_read;
    }
}

fn growth_of(status: &TargetStatus) -> String {
    let growth = status.watch.verdict.as_ref().and_then(|verdict| verdict.growth);
    growth.map_or_else(String::new, |growth| format!(", floor grows {}", growth.slope))
}
