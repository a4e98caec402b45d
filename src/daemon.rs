//! The running daemon: watchers, the dispatcher, captures, deliveries, clock and signals.

pub mod clock;
pub mod metrics;
pub mod notify;
pub mod schedule;
pub mod signals;
