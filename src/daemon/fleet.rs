//! The fleet: all watchers at rest, and the one task that wakes each of them when its poll is due.
//!
//! At rest a watcher is data, without a task, a timer or a channel of its own. What it is told while it polls waits until it
//! is back, so that nothing of one target ever happens twice at once.

mod lateness;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::clock::Timestamp;
use crate::daemon::caught::caught;
use crate::daemon::schedule::Tick;
use crate::daemon::watcher::{Command, Spare, Surroundings, Watcher};
use crate::errors;
use crate::target::TargetName;
use lateness::Lateness;

/// What the fleet is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Watch one target more.
    Watch(Box<Watcher>),
    /// Tell the watcher of this target, if there is one.
    Tell(TargetName, Command),
    /// Watch this target no longer.
    Release(TargetName),
}

/// How to reach the fleet.
#[derive(Clone, Debug)]
pub(super) struct Fleet(mpsc::Sender<Order>);

/// The fleet takes orders at once whatever its targets do, so this is full for moments only.
const ORDER_QUEUE: usize = 64;

impl Fleet {
    /// A fleet that takes orders, and the other end for [`run`].
    pub(super) fn new() -> (Self, mpsc::Receiver<Order>) {
        let (orders, order_queue) = mpsc::channel(ORDER_QUEUE);
        (Self(orders), order_queue)
    }

    pub(super) async fn watch(&self, watcher: Watcher) {
        self.send(Order::Watch(Box::new(watcher))).await;
    }

    pub(super) async fn tell(&self, name: &TargetName, command: Command) {
        self.send(Order::Tell(name.clone(), command)).await;
    }

    pub(super) async fn release(&self, name: &TargetName) {
        self.send(Order::Release(name.clone())).await;
    }

    /// Without a fleet the daemon is going down.
    async fn send(&self, order: Order) {
        self.0.send(order).await.ok();
    }
}

/// Runs the fleet on a thread of its own: a poll that wakes another thread for each of its steps takes twice the processor,
/// and a page that takes long to build makes no poll late.
pub(super) fn start(orders: mpsc::Receiver<Order>, surroundings: Arc<Surroundings>) -> io::Result<JoinHandle<()>> {
    /// Names that are looked up at the same time; the system's lookup holds a thread for each.
    const MOST_LOOKUPS: usize = 32;
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(MOST_LOOKUPS).build()?;
    Ok(spawn_blocking(move || runtime.block_on(run(orders, surroundings))))
}

/// Wakes watchers until the stop signal, then waits for their last reports.
async fn run(mut orders: mpsc::Receiver<Order>, surroundings: Arc<Surroundings>) {
    let mut line = Line {
        surroundings,
        berths: HashMap::new(),
        names: HashMap::new(),
        due: BinaryHeap::new(),
        last: 0,
        lateness: Lateness::default(),
        awake: JoinSet::new(),
        leaving: JoinSet::new(),
    };
    let stop = line.surroundings.stop.clone();
    loop {
        let next = line.next_due();
        // Each branch is cancel-safe: a token, a channel's receive, the ends of tasks and a sleep.
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(order) = orders.recv() => line.on_order(order),
            Some(Ok(back)) = line.awake.join_next() => line.on_back(back),
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => line.wake_due(),
            Some(_) = line.leaving.join_next() => {}
        }
    }
    line.end().await;
}

/// All watchers.
struct Line {
    surroundings: Arc<Surroundings>,
    berths: HashMap<Berth, Held>,
    names: HashMap<TargetName, Berth>,
    /// When each is due, the first on top. What has become untrue is passed over.
    due: BinaryHeap<Reverse<(i64, Berth)>>,
    last: Berth,
    lateness: Lateness,
    awake: JoinSet<Back>,
    /// Last reports of those that are watched no longer.
    leaving: JoinSet<()>,
}

/// The number of a place for a watcher: a target that leaves and soon comes back has another one.
type Berth = u32;

/// A watcher, with when it polls next.
struct Held {
    tick: Tick,
    watcher: At,
}

enum At {
    Rest(Box<Watcher>),
    Work(Box<Work>),
}

/// What is to be known while a watcher is awake.
struct Work {
    /// Ends the poll.
    stop: CancellationToken,
    /// For when it is back.
    told: Vec<Command>,
    is_released: bool,
    spare: Spare,
}

/// A watcher that has done what it was woken for; none where it panicked.
struct Back {
    berth: Berth,
    watcher: Option<Box<Watcher>>,
    has_polled: bool,
}

impl Line {
    fn next_due(&self) -> Option<Instant> {
        let Reverse((steady_ms, _)) = self.due.peek()?;
        Some(self.surroundings.clock.instant_of(Timestamp::from_unix_ms(*steady_ms)))
    }

    fn on_order(&mut self, order: Order) {
        match order {
            Order::Watch(watcher) => {
                self.last += 1;
                self.names.insert(watcher.name().clone(), self.last);
                let tick = watcher.next_tick();
                self.rest(self.last, tick, watcher);
            }
            Order::Tell(name, command) => self.tell(&name, command),
            Order::Release(name) => self.release(&name),
        }
    }

    fn tell(&mut self, name: &TargetName, command: Command) {
        let Some((berth, held)) = self.names.get(name).and_then(|berth| Some((*berth, self.berths.get_mut(berth)?)))
        else {
            return;
        };
        match &mut held.watcher {
            At::Work(work) => work.told.push(command),
            At::Rest(_) => self.work(berth, vec![command]),
        }
    }

    fn release(&mut self, name: &TargetName) {
        let Some(berth) = self.names.remove(name) else { return };
        match self.berths.get_mut(&berth).map(|held| &mut held.watcher) {
            Some(At::Work(work)) => {
                work.is_released = true;
                work.stop.cancel();
            }
            Some(At::Rest(_)) => self.leave(berth),
            None => {}
        }
    }

    /// A watcher at rest goes.
    fn leave(&mut self, berth: Berth) {
        if let Some(Held { watcher: At::Rest(watcher), .. }) = self.berths.remove(&berth) {
            self.leaving.spawn(watcher.end());
        }
    }

    fn rest(&mut self, berth: Berth, tick: Tick, watcher: Box<Watcher>) {
        self.due.push(Reverse((tick.at.steady_ms(), berth)));
        self.berths.insert(berth, Held { tick, watcher: At::Rest(watcher) });
    }

    /// Wakes everybody whose poll is due.
    fn wake_due(&mut self) {
        let now_ms = self.surroundings.clock.now().steady_ms();
        while let Some(Reverse((due_ms, berth))) = self.due.peek().copied()
            && due_ms <= now_ms
        {
            self.due.pop();
            let is_due = |held: &Held| held.tick.at.steady_ms() == due_ms && matches!(held.watcher, At::Rest(_));
            // Who works is due anew when he is back.
            if self.berths.get(&berth).is_some_and(is_due) {
                self.work(berth, Vec::new());
            }
        }
    }

    /// Wakes a watcher that rests: to do what it is told or, without anything, to poll.
    fn work(&mut self, berth: Berth, told: Vec<Command>) {
        let Some(held) = self.berths.get_mut(&berth) else { return };
        let At::Rest(watcher) = &held.watcher else { return };
        let stop = self.surroundings.stop.child_token();
        let work = Work { stop: stop.clone(), told: Vec::new(), is_released: false, spare: watcher.spare() };
        let At::Rest(watcher) = std::mem::replace(&mut held.watcher, At::Work(Box::new(work))) else { return };
        let (tick, has_polled) = (held.tick, told.is_empty());
        if has_polled {
            self.lateness.note(tick, self.surroundings.clock.now());
        }
        self.awake.spawn(async move {
            let awake =
                async { if told.is_empty() { watcher.poll(tick, stop).await } else { watcher.obey(told).await } };
            Back { berth, watcher: caught("a watcher", awake).await, has_polled }
        });
    }

    fn on_back(&mut self, back: Back) {
        let Back { berth, watcher, has_polled } = back;
        let Some(Held { tick, watcher: At::Work(work) }) = self.berths.remove(&berth) else { return };
        let Work { told, is_released, spare, .. } = *work;
        let Some(watcher) = watcher.or_else(|| self.replace(spare)) else { return };
        // A poll that came due while the watcher was told something is late, and not skipped.
        let is_late = tick.at.is_before(self.surroundings.clock.now());
        let tick = if has_polled || !is_late { watcher.next_tick() } else { tick };
        self.rest(berth, tick, watcher);
        if is_released {
            self.leave(berth);
        } else if !told.is_empty() {
            self.work(berth, told);
        }
    }

    /// Another watcher for one that panicked: a defect that one target meets costs that target a poll, and no other any.
    fn replace(&self, spare: Spare) -> Option<Box<Watcher>> {
        let name = spare.name().clone();
        error!(target.name = %name, "the watcher of {name} begins anew after its panic");
        match spare.into_watcher(Arc::clone(&self.surroundings)) {
            Ok(watcher) => Some(Box::new(watcher)),
            Err(problem) => {
                error!(target.name = %name, error = errors::one_line(&problem), "{name} cannot be watched");
                None
            }
        }
    }

    /// After the stop signal, which ends polls.
    async fn end(mut self) {
        while let Some(back) = self.awake.join_next().await {
            if let Ok(back) = back {
                self.on_back(back);
            }
        }
        while self.leaving.join_next().await.is_some() {}
        for (_, held) in self.berths {
            if let At::Rest(watcher) = held.watcher {
                watcher.end().await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
