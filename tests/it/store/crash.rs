//! Killed at any instant, the store comes back with everything it has confirmed and nothing by halves.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use heapwatch::leak::event::PairPart;
use heapwatch::sample::Sample;
use heapwatch::store::Store;
use heapwatch::store::record::{Attempt, Letter, LetterState};
use heapwatch::store::snapshots::{AnalysisForm, SnapshotDir};

use super::{api, at, files_below, open, sidecar};
use crate::child;

/// Snapshots that the child keeps; it deletes older ones.
const KEPT: usize = 3;
const SNAPSHOT: [u8; 10_000] = [b'x'; 10_000];

/// What a child said before it was killed.
#[derive(Debug, Default)]
struct Said {
    committed: u64,
    stored: BTreeSet<String>,
    deleting: BTreeSet<String>,
}

#[test]
fn whatever_was_confirmed_survives_a_kill_at_any_instant() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = setting("HEAPWATCH_KILLS").unwrap_or(40);
    let seed = setting("HEAPWATCH_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{kills} kills with HEAPWATCH_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut all = Said::default();
    for kill in 0..kills {
        let said = killed_after(dir.path(), random.usize(0..12), Duration::from_micros(random.u64(0..10_000)));
        all.committed = all.committed.max(said.committed);
        all.stored.extend(said.stored);
        all.deleting.extend(said.deleting);
        all.committed = verify_database(&dir.path().join("state"), all.committed, kill);
        verify_snapshots(&dir.path().join("snapshots"), &all, kill);
    }
    let deeds = (all.committed, all.stored.len() as u64, all.deleting.len() as u64);
    assert!(deeds.0 > kills && deeds.1 > kills / 4 && deeds.2 > 0, "the children hardly came to write: {deeds:?}");
}

/// Lets a child say some words and then kills it in the middle of whatever it does next. Gives all that it said.
fn killed_after(dir: &Path, words: usize, and: Duration) -> Said {
    let mut command = child::test_alone("store::crash::writes_until_it_is_killed", "exec \"$@\"");
    let mut child = command.env("CRASH_DIR", dir).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    assert!(lines.any(|line| line.contains("ready")), "the child came up");
    let mut said = Said::default();
    lines.by_ref().take(words).for_each(|line| said.hear(&line));
    std::thread::sleep(and);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "the child did not end by itself");
    lines.for_each(|line| said.hear(&line));
    said
}

impl Said {
    fn hear(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("committed", number)) => self.committed = number.parse().unwrap(),
            Some(("stored", name)) => drop(self.stored.insert(name.to_owned())),
            Some(("deleting", name)) => drop(self.deleting.insert(name.to_owned())),
            _ => {}
        }
    }
}

/// Everything up to a number no lower than the confirmed one is there, in each table, and the lock is free.
fn verify_database(state: &Path, confirmed: u64, kill: u64) -> u64 {
    let (store, notes) = Store::open(state, at(0)).unwrap();
    assert_eq!(notes, [], "kill {kill}");
    let (attempts, letters, samples, body) = store
        .read(|reader| {
            let attempts = reader.attempts(&api(), at(0))?;
            let samples = reader.samples(&api(), at(0))?;
            Ok((attempts, reader.pending_letters("pager")?, samples, reader.state(&api(), "detector")?))
        })
        .unwrap();
    let found = attempts.len() as u64;
    assert!((confirmed..=confirmed + 1).contains(&found), "kill {kill}: {confirmed} confirmed, {found} found");
    let ids: Vec<String> = letters.into_iter().map(|letter| letter.id).collect();
    assert_eq!(ids, (1..=found).map(|number| number.to_string()).collect::<Vec<_>>(), "kill {kill}");
    assert_eq!(samples.len() as u64, found, "kill {kill}");
    assert_eq!(body.map_or(0, |body| u64::from_le_bytes(body.try_into().unwrap())), found, "kill {kill}");
    if found > 0 {
        assert_eq!(store.last_alive(), Some(at(found)), "kill {kill}");
    }
    found
}

/// Every snapshot that was confirmed and not given up is there; every one that is there is whole.
fn verify_snapshots(root: &Path, said: &Said, kill: u64) {
    let snapshots = SnapshotDir::open(root).unwrap();
    snapshots.sweep().unwrap();
    let inventory = snapshots.inventory().unwrap();
    let names: BTreeSet<String> = inventory.iter().map(|stored| stored.name.clone()).collect();
    let owed: Vec<&String> = said.stored.difference(&said.deleting).filter(|name| !names.contains(*name)).collect();
    assert_eq!(owed, Vec::<&String>::new(), "kill {kill}");
    for stored in inventory {
        let content = std::fs::read(&stored.path).unwrap();
        assert!(content == SNAPSHOT, "kill {kill}: {} is not whole", stored.name);
    }
    let is_ours = |path: &PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        path.is_dir() || names.iter().any(|stored| name.starts_with(&format!("{stored}.")))
    };
    let strays: Vec<PathBuf> = files_below(root).into_keys().filter(|path| !is_ours(path)).collect();
    assert_eq!(strays, Vec::<PathBuf>::new(), "kill {kill}");
}

#[test]
#[ignore = "is killed by whatever_was_confirmed_survives_a_kill_at_any_instant"]
fn writes_until_it_is_killed() {
    let dir = PathBuf::from(std::env::var("CRASH_DIR").unwrap());
    let store = open(&dir.join("state"));
    let snapshots = SnapshotDir::open(&dir.join("snapshots")).unwrap();
    let done = store.read(|reader| Ok(reader.attempts(&api(), at(0))?.len() as u64)).unwrap();
    say("ready");
    for number in done + 1.. {
        commit(&store, number);
        say(&format!("committed {number}"));
        if number % 3 == 0 {
            capture(&snapshots, number);
        }
    }
}

fn commit(store: &Store, number: u64) {
    let attempt = Attempt { target: api(), at: at(number), part: PairPart::First, outcome: "stored".into() };
    let letter = Letter {
        id: number.to_string(),
        channel: "pager".into(),
        episode: None,
        sequence: 0,
        body: "{}".into(),
        created: at(number),
        attempts: 0,
        next_attempt: at(number),
        state: LetterState::Pending,
        trouble: None,
    };
    let written = store.transaction(at(number), |writer| {
        writer.put_attempt(&attempt)?;
        writer.put_letter(&letter)?;
        writer.append_samples(&api(), &[Sample::empty(at(number))])?;
        writer.put_state(&api(), "detector", &number.to_le_bytes())
    });
    written.unwrap();
}

fn capture(snapshots: &SnapshotDir, number: u64) {
    let partial = snapshots.begin(&api(), PairPart::First, at(number)).unwrap();
    let mut file = partial.writer().unwrap();
    for part in SNAPSHOT.chunks(1_000) {
        file.write_all(part).unwrap();
    }
    let stored = partial.finish(&sidecar(SNAPSHOT.len() as u64, PairPart::First, number)).unwrap();
    say(&format!("stored {}", stored.name));
    snapshots.put_analysis(&stored.name, AnalysisForm::Json, "{}").unwrap();
    let inventory = snapshots.inventory().unwrap();
    for old in &inventory[..inventory.len().saturating_sub(KEPT)] {
        say(&format!("deleting {}", old.name));
        snapshots.delete(&old.name).unwrap();
    }
}

/// Straight to the pipe: what stays in a buffer dies with the process.
fn say(word: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(format!("{word}\n").as_bytes()).unwrap();
    stdout.flush().unwrap();
}
