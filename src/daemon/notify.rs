//! What systemd is told. Where `NOTIFY_SOCKET` is not set, every call does nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// Start-up is over: configuration checked, store open, pages bound, watchers running.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins; [`ready`] ends it.
pub fn reloading() {
    // MONOTONIC_USEC has to travel in the same datagram since systemd 253; older managers ignore it.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// The orderly stop begins.
pub fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("stopping: delivering what is owed")]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

/// The dispatcher is alive. Called from its loop alone, so that a wedged dispatcher is restarted.
pub fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// How often [`watchdog`] must be called: half of what the unit allows; `None` without a watchdog.
pub fn watchdog_period() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(problem) = sd_notify::notify(states) {
        debug!(error = %problem, "systemd was not told");
    }
}
