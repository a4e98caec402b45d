//! The terminal: taken over and given back, drawn to, and listened to.

use std::io::{self, Write};
use std::thread;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, read};
use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate,
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};
use tokio::sync::mpsc;

use super::frame::{Line, Look};

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Quit,
    Back,
    Open,
    ByName,
    ByUrgency,
    /// Down by so many lines; up where negative.
    Move(isize),
    Resized,
}

/// The terminal as ours. Dropping it gives it back as it was.
#[derive(Debug)]
pub(super) struct Screen {
    has_colours: bool,
}

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        let has_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        enable_raw_mode()?;
        // From here on, dropping it is what puts everything back.
        let screen = Self { has_colours };
        execute!(io::stdout(), EnterAlternateScreen, Hide, DisableLineWrap)?;
        Ok(screen)
    }

    /// Draws what `render` makes for the size that the terminal has now.
    pub(super) fn draw(&mut self, render: impl FnOnce(u16, u16) -> Vec<Line>) -> io::Result<()> {
        let (width, height) = size()?;
        let mut out = io::stdout().lock();
        // Terminals that know it show the whole frame at once, others ignore it.
        queue!(out, BeginSynchronizedUpdate)?;
        for (row, line) in (0..height).zip(render(width, height)) {
            queue!(out, MoveTo(0, row))?;
            self.dress(&mut out, line.look)?;
            queue!(out, Print(line.text), SetAttribute(Attribute::Reset), ResetColor, Clear(ClearType::UntilNewLine))?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.flush()
    }

    fn dress(&self, out: &mut impl Write, look: Look) -> io::Result<()> {
        let colour = match look {
            Look::Plain => return Ok(()),
            Look::Heading => return queue!(out, SetAttribute(Attribute::Bold)),
            Look::Chosen => return queue!(out, SetAttribute(Attribute::Reverse)),
            Look::Urgent => Color::Red,
            Look::Doubtful => Color::Yellow,
        };
        if self.has_colours { queue!(out, SetForegroundColor(colour)) } else { Ok(()) }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Where the terminal is gone there is nothing to give back.
        execute!(io::stdout(), EnableLineWrap, Show, LeaveAlternateScreen).ok();
        disable_raw_mode().ok();
    }
}

/// What a person does from now on, read on a thread that ends with the process: a read cannot be called back.
pub(super) fn inputs() -> mpsc::Receiver<Input> {
    // Full while a frame is being drawn; the thread then waits.
    let (sender, inputs) = mpsc::channel(16);
    thread::spawn(move || {
        while let Ok(event) = read() {
            if understood(&event).is_some_and(|input| sender.blocking_send(input).is_err()) {
                return;
            }
        }
    });
    inputs
}

fn understood(event: &Event) -> Option<Input> {
    const PAGE: isize = 10;
    let key = match event {
        Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press | KeyEventKind::Repeat, .. }) => {
            (code, modifiers)
        }
        Event::Resize(..) => return Some(Input::Resized),
        _ => return None,
    };
    Some(match key {
        (KeyCode::Char('c' | 'd'), &KeyModifiers::CONTROL) | (KeyCode::Char('q'), _) => Input::Quit,
        (KeyCode::Esc | KeyCode::Left | KeyCode::Backspace, _) => Input::Back,
        (KeyCode::Enter | KeyCode::Right, _) => Input::Open,
        (KeyCode::Char('n'), _) => Input::ByName,
        (KeyCode::Char('u'), _) => Input::ByUrgency,
        (KeyCode::Up | KeyCode::Char('k'), _) => Input::Move(-1),
        (KeyCode::Down | KeyCode::Char('j'), _) => Input::Move(1),
        (KeyCode::PageUp, _) => Input::Move(-PAGE),
        (KeyCode::PageDown | KeyCode::Char(' '), _) => Input::Move(PAGE),
        (KeyCode::Home | KeyCode::Char('g'), _) => Input::Move(isize::MIN),
        (KeyCode::End | KeyCode::Char('G'), _) => Input::Move(isize::MAX),
        _ => return None,
    })
}
