//! The board: where watchers and the dispatcher write what they know, and where pages, metrics and gates read it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::leak::{self, Detector, Packed, Picture};
use crate::status::house::HouseStatus;
use crate::status::{CareStatus, TargetStatus, WatchStatus};
use crate::target::{Labels, TargetName};

/// The newest status of every target, and of heapwatch itself. Clones share one board.
///
/// One lock holds all of it: an update takes microseconds and comes once a poll, so even 10,000 targets leave it
/// idle. It is never held across an await. What a verdict stands on in words takes more room than all the rest and is
/// asked for of one target at a time: it is made of what the detector knows when it is.
#[derive(Clone, Debug, Default)]
pub struct Board {
    /// Boxed, since a tree keeps a third of its places free.
    targets: Arc<Mutex<BTreeMap<TargetName, Box<Entry>>>>,
    house: Arc<Mutex<HouseStatus>>,
}

#[derive(Debug)]
struct Entry {
    status: TargetStatus,
    grounds: Option<Grounds>,
}

/// What the verdict on a target stands on.
#[derive(Clone, Debug)]
pub struct Grounds {
    /// What its detector knows.
    pub known: Packed,
    /// What the detector goes by.
    pub options: Arc<leak::Options>,
}

impl Grounds {
    fn detector(&self) -> Option<Detector> {
        Some(Detector::restore(Arc::clone(&self.options), self.known.unpack().ok()?))
    }
}

impl Entry {
    /// A copy with everything in it.
    fn whole(&self) -> TargetStatus {
        let mut status = self.status.clone();
        if let Some(detector) = self.grounds.as_ref().and_then(Grounds::detector) {
            status.watch.outline = detector.outline();
            if let Some(verdict) = &mut status.watch.verdict {
                verdict.reasons = detector.verdict().reasons;
            }
        }
        status
    }
}

impl Board {
    /// Adds a target, or replaces what is known of it.
    pub fn put(&self, status: TargetStatus) {
        self.lock().insert(status.name.clone(), Box::new(Entry { status, grounds: None }));
    }

    /// Shows what a new configuration says of a target, and keeps what was seen and decided.
    pub fn describe(&self, name: &TargetName, labels: Labels, url: String) {
        if let Some(Entry { status, .. }) = self.lock().get_mut(name).map(Box::as_mut) {
            (status.labels, status.url) = (labels, url);
        }
    }

    /// Forgets a target that is no longer configured.
    pub fn remove(&self, name: &TargetName) {
        self.lock().remove(name);
    }

    /// Changes what the polls saw of a target; a target that is not on the board stays off it.
    pub fn watch(&self, name: &TargetName, change: impl FnOnce(&mut WatchStatus)) {
        if let Some(entry) = self.lock().get_mut(name) {
            change(&mut entry.status.watch);
        }
    }

    /// The same with what the verdict stands on, whose reasons and outline `change` leaves out.
    pub fn judge(&self, name: &TargetName, grounds: Grounds, change: impl FnOnce(&mut WatchStatus)) {
        if let Some(entry) = self.lock().get_mut(name) {
            change(&mut entry.status.watch);
            entry.grounds = Some(grounds);
        }
    }

    /// Changes what was decided about a target; a target that is not on the board stays off it.
    pub fn care(&self, name: &TargetName, change: impl FnOnce(&mut CareStatus)) {
        if let Some(entry) = self.lock().get_mut(name) {
            change(&mut entry.status.care);
        }
    }

    /// One target as it stands.
    pub fn get(&self, name: &TargetName) -> Option<TargetStatus> {
        self.lock().get(name).map(|entry| entry.whole())
    }

    /// Floors and fit of one target, where it has been polled.
    pub fn picture(&self, name: &TargetName) -> Option<Picture> {
        let grounds = self.lock().get(name).and_then(|entry| entry.grounds.clone());
        grounds?.detector().map(|detector| detector.picture())
    }

    /// What `look` makes of one target, without a copy of it: it is called with the board locked, and so must be quick.
    /// Here, in [`Self::visit`] and [`Self::survey`] verdicts come without reasons, and without outlines.
    pub fn look<T>(&self, name: &TargetName, look: impl FnOnce(&TargetStatus) -> T) -> Option<T> {
        self.lock().get(name).map(|entry| look(&entry.status))
    }

    /// The first `limit` targets after `after`, by name, of those that `takes` takes, and how many it takes in all.
    pub fn select(
        &self,
        after: Option<&TargetName>,
        limit: usize,
        takes: impl Fn(&TargetStatus) -> bool,
    ) -> (Vec<TargetStatus>, usize) {
        let targets = self.lock();
        let (mut selected, mut total) = (Vec::new(), 0);
        for entry in targets.values().filter(|entry| takes(&entry.status)) {
            total += 1;
            if selected.len() < limit && after.is_none_or(|after| entry.status.name > *after) {
                selected.push(entry.whole());
            }
        }
        (selected, total)
    }

    /// Every target as it stands, by name.
    pub fn all(&self) -> Vec<TargetStatus> {
        self.lock().values().map(|entry| entry.whole()).collect()
    }

    /// Shows every target to `look`, by name, with the board locked: it must be quick.
    pub fn visit(&self, mut look: impl FnMut(&TargetStatus)) {
        self.lock().values().for_each(|entry| look(&entry.status));
    }

    /// What `look` makes of every target, by name, without a copy of the whole board: it is called with the board
    /// locked, and so must be quick.
    pub fn survey<T>(&self, mut look: impl FnMut(&TargetStatus) -> Option<T>) -> Vec<T> {
        self.lock().values().filter_map(|entry| look(&entry.status)).collect()
    }

    /// heapwatch itself as it stands.
    pub fn house(&self) -> HouseStatus {
        self.house.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what is known of heapwatch itself.
    pub fn keep_house(&self, change: impl FnOnce(&mut HouseStatus)) {
        change(&mut self.house.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A panic elsewhere leaves whole values behind, since each update replaces plain fields: reading on is safe.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TargetName, Box<Entry>>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
