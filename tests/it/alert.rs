//! Alerts over real sockets, to receivers that judge them as the real services would.

mod command;
mod delivery;
mod services;
mod story;
mod trouble;
