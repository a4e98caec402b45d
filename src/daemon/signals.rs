//! Signals as values: SIGTERM and SIGINT ask to stop, SIGHUP asks to reload; a second request to stop exits at once.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use tokio::sync::mpsc;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The thread that listens; dropping it ends the listening.
#[derive(Debug)]
pub struct Listener {
    handle: Handle,
    requests: mpsc::Receiver<Request>,
}

impl Listener {
    /// Starts to listen.
    pub fn start() -> io::Result<Self> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        let handle = signals.handle();
        // Full when the daemon has not yet taken 16 requests: dropping further reloads loses nothing, for each reload
        // reads the newest file, and a stop is already among the 16 or exits below.
        let (sender, requests) = mpsc::channel(16);
        thread::Builder::new().name("signals".into()).spawn(move || forward(&mut signals, &sender))?;
        Ok(Self { handle, requests })
    }

    /// The next request. Cancel-safe. Never returns when the listening thread is gone.
    pub async fn next(&mut self) -> Request {
        match self.requests.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
    }
}

fn forward(signals: &mut Signals, sender: &mpsc::Sender<Request>) {
    /// What a shell reports for a program ended by SIGINT or SIGTERM: 128 and the signal's number.
    const SIGNAL_EXIT: i32 = 128;
    let mut stopping = false;
    for signal in signals.forever() {
        let request = if signal == SIGHUP { Request::Reload } else { Request::Stop };
        if request == Request::Stop && stopping {
            std::process::exit(SIGNAL_EXIT + signal);
        }
        stopping |= request == Request::Stop;
        // A full or closed channel is fine: see where it is made.
        sender.try_send(request).ok();
    }
}
