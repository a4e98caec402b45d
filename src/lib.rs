//! heapwatch: a memory watchdog for long-running services.
//!
//! It polls each target's `/health/debug`, models the growth of its memory, and when growth is sustained with no
//! plateau it takes two heap snapshots of one process life from `/admin/heap-snapshot`, and two sampling heap profiles
//! from `/admin/heap-profile`, stores and compares them, and puts the answer into the alert: which objects grow, what
//! retains them, and the file and line that made them. Then it watches the fix and says whether it held. This is the document of its architecture; `README.md` is for users.
//!
//! # Flow
//!
//! ```text
//!             config ──────────────► supervisor ── starts, ends, reconfigures ─┐
//!                                                                              ▼
//!  target ◄── GET /health/debug ── probe ── Sample ──► leak::Detector        watcher (one a target)
//!                                                          │ LeakEvent          │
//!                                                          └──────────► Event ──┴──► dispatcher (one loop)
//!  target ◄── GET /admin/heap-snapshot ── capture ◄── gate says yes ───────────────── │  ▲
//!  target ◄── GET /admin/heap-profile ──── capture ◄── after each confirmation ────── │  ▲
//!                    └─► store::snapshots ──► heap diff (a process of its own) ───────┼──┘
//!  receivers ◄── alert::channel ◄── alert::outbox ◄── alert::policy ◄─────────────────┤
//!  people    ◄── web ◄── status::Board ◄──────────────────────────────────────────────┘
//!  Prometheus ◄── remote_write ◄── every poll of a watcher
//! ```
//!
//! A *watcher* per target sleeps, probes, feeds its detector and publishes what it sees on the board. What changed
//! goes over a bounded channel to the one *dispatcher*, the single loop that takes all decisions in order: what is
//! said, what is captured next, what is compared. It writes what must not be lost in one transaction before acting on
//! it. Captures, comparisons and deliveries are tasks of their own that come back as events. The *supervisor* follows
//! the configuration: it starts and ends watchers, and swaps in a new file whole or not at all.
//!
//! # Layers
//!
//! Imports only go down this list, adapters never import one another, and `tests/it/layering.rs` fails on a breach.
//!
//! - **Words**: [`clock`], [`errors`], [`evidence`], [`sample`], [`target`], [`text`], [`units`]. Plain values.
//! - **Cores**: [`growth`], [`leak`], [`heap`], [`retention`], [`silence`], [`status`], [`chart`]. No runtime, no sockets, no files, no
//!   logging, no clock: everything they know is an argument, so a recorded trace runs through the very same code.
//! - **The client**: [`http`], which the adapters share: TLS, credentials, bounded bodies, no redirects.
//! - **Adapters**, one outside thing each: [`discovery`] (lists of targets), [`probe`] (the health endpoint), [`capture`] (the snapshot and profile endpoints),
//!   [`store`] (the disk), [`alert`] (the receivers), [`remote_write`] (databases of metrics), [`web`] (people and programs that ask).
//! - **Assembly**: [`config`] (the only place that knows key names), [`daemon`], [`cli`].
//!
//! # Invariants
//!
//! 1. heapwatch never makes things worse: no capture without [`capture::gate`], never two of one group at once, and a
//!    capture that coincides with the death of its target disarms further ones until a person rearms the target.
//! 2. What we do to a target is not evidence against it: polls that fail while our capture pauses it are no downtime,
//!    and the step in rss that a snapshot leaves behind is no growth.
//! 3. Missing data is *not judged*, never *steady* and never *leaking*.
//! 4. Text that came from a target is hostile: capped, escaped, never a path.
//! 5. Snapshots hold every secret of the process: directories 0700, files 0600, never attached to an alert.
//! 6. Killed at any instant, heapwatch comes back with the same verdicts, owes the same alerts under the same ids, and
//!    has no half file that looks whole.
//! 7. Its own memory is bounded by configuration, whatever targets, snapshots or receivers do.
//! 8. Only `daemon::clock` reads a clock; `clippy.toml` refuses the others.

// -- words: plain values --
pub mod clock;
pub mod errors;
pub mod evidence;
pub mod sample;
pub mod target;
pub mod text;
pub mod units;
// -- cores: no tokio, no sockets, no files, no logging, no clock --
pub mod chart;
pub mod growth;
pub mod heap;
pub mod leak;
pub mod retention;
pub mod silence;
pub mod status;
// -- the HTTP client that the adapters share --
pub mod http;
// -- adapters: one outside thing each --
pub mod alert;
pub mod capture;
pub mod discovery;
pub mod probe;
pub mod remote_write;
pub mod store;
pub mod web;
// -- assembly --
pub mod cli;
pub mod config;
pub mod daemon;
