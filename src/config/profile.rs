//! `[profile]`: whether and how sampling heap profiles of a target are taken.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::detection::Judged;
use super::secret::Vault;
use super::table::Table;
use super::target::beneath;
use crate::capture::{Deadlines, ProfileOptions};
use crate::http::{ClientOptions, Credentials};
use crate::units::ByteSize;

/// Where services hand out profiles unless they say otherwise.
const PROFILE_PATH: &str = "/admin/heap-profile";
/// Two of an episode, as many again for its next life, and some that fail.
const DAILY_BUDGET: u32 = 24;
/// A profile is answered at once; what is not there by then is not coming.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A heap of 10 GiB at the usual rate of sampling comes to a few megabytes.
const MAX_BYTES: ByteSize = ByteSize::mib(16);

/// What the state database needs to go on.
const DISK_RESERVE: ByteSize = ByteSize::mib(64);

/// Reads `[profile]`; `None` where it is off, or where the target has no address.
///
/// `shared` is how the target is polled, and what its captures are asked with where `[profile]` has no credentials.
pub(super) fn read(
    table: &mut Table<'_>,
    vault: &Vault<'_>,
    base: Option<&Url>,
    judged: &Judged,
    shared: (&Arc<ClientOptions>, &Credentials),
) -> Option<ProfileOptions> {
    let enabled = table.flag("enabled", true);
    let daily_budget = table.count("daily_budget", DAILY_BUDGET, 0..=1000);
    let timeout = table.duration("timeout", TIMEOUT, Duration::from_millis(10)..=Duration::from_hours(1));
    let max_bytes = table.size("max_bytes", MAX_BYTES, ByteSize::new(1024)..=ByteSize::mib(64));
    let credentials = vault.credentials(table).unwrap_or_else(|| shared.1.clone());
    let is_promised = table.has("path");
    let url = table
        .parsed("path", "\"/admin/heap-profile\"", "a path in quotes", |path| beneath(base, path))
        .or_else(|| beneath(base, PROFILE_PATH).ok())
        .flatten();
    if !enabled {
        return None;
    }
    Some(ProfileOptions {
        url: url?,
        is_promised,
        credentials,
        client: Arc::clone(shared.0),
        deadlines: Deadlines { first_byte: timeout, idle: timeout, total: timeout, max_bytes },
        pair_gap: judged.pair_gap,
        daily_budget,
        disk_reserve: DISK_RESERVE,
    })
}
