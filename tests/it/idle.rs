//! What the daemon takes of memory while nothing happens. `cargo bench --bench idle` measures the release build.

use std::fs;

use crate::support::daemon::Daemon;
use crate::support::polling::wait_for;
use crate::support::receiver::{Answer, Receiver};

const BODY: &str =
    r#"{"memory":{"heapUsed":60000000,"heapTotal":80000000,"external":2000000,"rss":140000000},"pid":1}"#;
const TARGETS: usize = 10;
/// Heap and stacks. Measured at 3 MB with the build that tests use; the certificate authorities read once for each client
/// would alone be over it.
const MOST_OWN_BYTES: u64 = 5_000_000;

#[tokio::test]
async fn ten_targets_that_are_well_cost_a_few_megabytes() {
    let service = Receiver::start(|_| Answer::text(200, BODY)).await;
    let mut tables = "[defaults]\ninterval = \"200ms\"\ntimeout = \"190ms\"\n".to_owned();
    // Certificates are checked for these, and authorities are read, though nothing is ever sent.
    tables.extend((0..TARGETS).map(|channel| {
        format!("[[channels]]\ntype = \"webhook\"\nname = \"c{channel}\"\nurl = \"https://hooks.example.com/\"\n")
    }));
    tables.extend((0..TARGETS).map(|target| {
        let url = service.url(&format!("/{target}"));
        format!("[[targets]]\nname = \"t{target}\"\nurl = \"{url}\"\n")
    }));
    let daemon = Daemon::start(&tables).await;
    wait_for("thirty polls of each", async || {
        let polls = daemon.metric("heapwatch_polls_total{target=\"t0\",result=\"ok\"}").await?;
        (polls >= 30.0).then_some(())
    })
    .await;
    let own = own_bytes(daemon.pid());
    assert!(own < MOST_OWN_BYTES, "{own} bytes");
    assert!(own > 1_000_000, "{own} bytes: not even a heap?");
}

/// proc(5): resident memory of the mappings that no file stands behind. Those of the executable hold pages of its own, too,
/// whose addresses were filled in at the start: they grow with the code and the build, not with what the daemon does.
pub(crate) fn own_bytes(pid: u32) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let mut behind_a_file = false;
    let mut kibibytes = 0;
    for line in maps.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            // A mapping: addresses, access, offset, device, inode, and the file if there is one.
            [addresses, _, _, _, _, path @ ..] if !addresses.ends_with(':') => {
                behind_a_file = path.first().is_some_and(|path| path.starts_with('/'));
            }
            ["Anonymous:", count, "kB"] if !behind_a_file => kibibytes += count.parse::<u64>().unwrap(),
            _ => {}
        }
    }
    kibibytes * 1024
}
