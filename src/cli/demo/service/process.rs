//! What the demo's own service keeps alive: a process object with its listeners, each of which holds what it captured.

use std::mem::size_of;
use std::panic::Location;

/// The process object with its listeners for `uncaughtException`.
#[derive(Debug, Default)]
pub(super) struct Process {
    #[expect(clippy::vec_box, reason = "each listener is an object of its own, as it is in a JavaScript heap")]
    listeners: Vec<Box<Listener>>,
    listener_bytes: u64,
}

/// One registered listener: a closure, and the line that made it.
#[derive(Debug)]
pub(super) struct Listener {
    context: Box<Context>,
    made_at: &'static Location<'static>,
}

/// What a listener captured, and so keeps alive.
#[derive(Debug)]
struct Context {
    request_id: Box<str>,
    trace: Box<str>,
}

/// Everything alive at one instant, without the bytes of the traces themselves.
#[derive(Debug)]
pub(super) struct Census {
    /// In the order of registration; the n-th is the same object in each census of one run.
    pub(super) listeners: Vec<ListenerFacts>,
    /// The slots of the list of listeners, used or not.
    pub(super) slot_bytes: u64,
}

/// One listener as a snapshot shows it.
#[derive(Clone, Debug)]
pub(super) struct ListenerFacts {
    pub(super) request_id: Box<str>,
    pub(super) trace_start: Box<str>,
    pub(super) trace_bytes: u64,
    pub(super) made_at: &'static Location<'static>,
}

/// A [`Process`] without its list.
pub(super) const PROCESS_BYTES: u64 = (size_of::<Process>() - size_of::<Vec<Box<Listener>>>()) as u64;
/// The list of listeners without its slots.
pub(super) const LIST_BYTES: u64 = size_of::<Vec<Box<Listener>>>() as u64;
/// A boxed [`Listener`].
pub(super) const CLOSURE_BYTES: u64 = size_of::<Listener>() as u64;
/// A boxed [`Context`].
pub(super) const CONTEXT_BYTES: u64 = size_of::<Context>() as u64;
/// How much of a trace a snapshot shows. V8 cuts strings too, at 1,024 characters.
const SHOWN_CHARACTERS: usize = 64;

impl Process {
    pub(super) fn on_uncaught_exception(&mut self, listener: Listener) {
        self.listener_bytes = self.listener_bytes.saturating_add(listener.live_bytes());
        self.listeners.push(Box::new(listener));
    }

    /// Bytes of all live objects: what the service reports as heapUsed, and what the nodes of a snapshot add up to.
    pub(super) fn live_bytes(&self) -> u64 {
        self.listener_bytes.saturating_add(PROCESS_BYTES + LIST_BYTES + self.slot_bytes())
    }

    pub(super) fn census(&self) -> Census {
        let listeners = self.listeners.iter().map(|listener| listener.facts()).collect();
        Census { listeners, slot_bytes: self.slot_bytes() }
    }

    fn slot_bytes(&self) -> u64 {
        (self.listeners.capacity() * size_of::<Box<Listener>>()) as u64
    }
}

impl Listener {
    /// A listener made where this is called.
    #[track_caller]
    pub(super) fn new(request_id: String, trace: String) -> Self {
        let context = Context { request_id: request_id.into(), trace: trace.into() };
        Self { context: Box::new(context), made_at: Location::caller() }
    }

    /// Bytes that this listener keeps alive, itself included.
    fn live_bytes(&self) -> u64 {
        let Context { request_id, trace } = &*self.context;
        CLOSURE_BYTES + CONTEXT_BYTES + (request_id.len() + trace.len()) as u64
    }

    fn facts(&self) -> ListenerFacts {
        let Context { request_id, trace } = &*self.context;
        ListenerFacts {
            request_id: request_id.clone(),
            trace_start: trace.chars().take(SHOWN_CHARACTERS).collect(),
            trace_bytes: trace.len() as u64,
            made_at: self.made_at,
        }
    }
}
