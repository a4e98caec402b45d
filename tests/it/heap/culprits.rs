//! The guilty line for many kinds of leaks, and silence where nothing leaks.

use heapwatch::heap::report::Culprit;

use super::{Pair, node_is_there};

/// What the first culprit of a case must say.
struct Expected {
    class: &'static str,
    /// Function, file and line; empty and 0 where the heap does not know.
    made_at: (&'static str, &'static str, u32),
    held_by: &'static str,
    /// How many of the 1,000 requests left one of the class behind, within one in a hundred.
    count: i64,
}

fn check(case: &str, expected: &Expected) {
    if !node_is_there() {
        return;
    }
    let report = Pair::make(case).report();
    let culprits: Vec<_> = report.culprits.iter().map(|culprit| &culprit.headline).collect();
    let first = report.culprits.first().unwrap_or_else(|| panic!("{case}: {}", report.headline));
    let made_at = first.location.as_ref().map_or(("", 0), |at| (at.script.rsplit('/').next().unwrap(), at.line));
    assert_eq!(first.class, expected.class, "{case}: {culprits:#?}");
    assert_eq!(first.held_by, expected.held_by, "{case}: {culprits:#?}");
    assert_eq!((first.function.as_str(), made_at.0, made_at.1), expected.made_at, "{case}: {culprits:#?}");
    assert!((first.count_delta - expected.count).abs() <= expected.count / 100, "{case}: {culprits:#?}");
    assert_path_holds_together(case, first);
    assert_eq!(report.headline, first.headline);
}

/// The path begins without an edge, ends at one of the objects, and never shows the text of a string.
fn assert_path_holds_together(case: &str, culprit: &Culprit) {
    let (first, rest) = culprit.path.split_first().unwrap();
    assert!(first.edge.is_empty(), "{case}: {:#?}", culprit.path);
    assert!(rest.iter().all(|step| !step.edge_type.is_empty()), "{case}: {:#?}", culprit.path);
    assert!(culprit.share_of_growth > 0.5 && culprit.share_of_growth <= 1.0, "{case}: {}", culprit.share_of_growth);
}

macro_rules! leaks {
    ($($name:ident: $case:literal => $class:literal, $made_at:expr, $held_by:literal, $count:literal;)*) => {$(
        #[test]
        fn $name() {
            check($case, &Expected { class: $class, made_at: $made_at, held_by: $held_by, count: $count });
        }
    )*};
}

const UNKNOWN: (&str, &str, u32) = ("", "", 0);

leaks! {
    a_listener_on_process_for_every_request: "process-listener" =>
        "Function", ("anonymous function", "process-listener.js", 10), "process._events.uncaughtException[]", 1000;
    sessions_in_a_map: "session-map" =>
        "SessionEntry", ("SessionEntry", "session-map.js", 7), "sessions (Map) in session-map.js", 1000;
    a_chain_of_closures: "closure-chain" =>
        "Function", ("describe", "closure-chain.js", 9), "latest in closure-chain.js", 1000;
    intervals_that_nobody_clears: "timers" =>
        "Timeout", ("poll", "timers.js", 13), "timerListMap[3600000] (TimersList) in node:internal/timers", 1000;
    promises_that_never_settle: "pending-promises" =>
        "Function", ("handle", "pending-promises.js", 12), "waiting (Map) in pending-promises.js", 1000;
    promises_behind_a_private_field: "unresolved-await" =>
        "Function", ("worker", "unresolved-await.js", 18), "gate.#waiters[] in unresolved-await.js", 1000;
    listeners_on_another_emitter: "emitter" =>
        "Function", ("anonymous function", "emitter.js", 13), "bus._events.broadcast[] in emitter.js", 1000;
    listeners_on_many_emitters: "many-emitters" =>
        "Function", ("anonymous function", "many-emitters.js", 18), "pool[*]._events.drain[] in many-emitters.js", 1000;
    buffers: "buffers" => "Buffer", UNKNOWN, "retries.uploads[] in buffers.js", 50;
    strings_in_an_array: "audit-log" => "(string)", UNKNOWN, "lines[] in audit-log.js", 1000;
    one_text_that_grows: "growing-text" => "(concatenated string)", UNKNOWN, "state.journal in growing-text.js", 4405;
    numbers_in_an_array: "numbers" => "Array", UNKNOWN, "latencies[] in numbers.js", 0;
    a_leak_beside_a_filling_cache: "beside-cache" =>
        "Subscriber", ("Subscriber", "beside-cache.js", 10), "topics.news.subscribers[] in beside-cache.js", 1000;
    several_leaks_the_heaviest_first: "several" =>
        "Ticket", ("Ticket", "several.js", 5), "tickets (Set) in several.js", 1000;
    a_bundled_and_minified_program: "bundled" => "e", ("e", "bundled.js", 1), "o (Map) in bundled.js", 1000;
    a_linked_list_that_is_only_appended_to: "queue" => "Item", ("Item", "queue.js", 5), "outbox (Queue) in queue.js", 1000;
    many_small_lists_of_one_map: "per-user" =>
        "{path, at}", ("visit", "per-user.js", 6), "users[*].history[] in per-user.js", 1000;
    objects_with_two_holders_are_one_leak: "two-holders" =>
        "Order", ("Order", "two-holders.js", 5), "byTime[] in two-holders.js", 1000;
    properties_of_a_global: "globals" => "{output, label}", UNKNOWN, "global.results (Object)", 1000;
    a_static_field: "static-field" => "Metric", ("Metric", "static-field.js", 7), "Metric.registry[] in static-field.js", 1000;
    what_a_sibling_closure_captured: "shared-scope" =>
        "Function", ("done", "shared-scope.js", 10), "hooks[] in shared-scope.js", 1000;
    state_deep_in_an_application: "app-state" =>
        "Mail", ("Mail", "app-state.js", 13), "app.locals.services.mailer.sent (Set) in app-state.js", 1000;
    a_property_of_a_module: "module-export" => "{text}", UNKNOWN, "module.exports.history[] in module-export.js", 1000;
    state_that_is_replaced: "immutable" => "{type, payload}", UNKNOWN, "state.events[] in immutable.js", 1000;
    a_stream_that_nobody_reads: "stream-backlog" =>
        "Buffer", UNKNOWN, "tap._readableState.buffer[] in stream-backlog.js", 1000;
    a_weak_map_whose_keys_are_kept: "weak-map" =>
        "{id}", ("accept", "weak-map.js", 7), "requests[] in weak-map.js", 1000;
    listeners_on_an_abort_signal: "abort-signal" => "Listener", ("anonymous function", "abort-signal.js", 11),
        "shutdown.#signal[Symbol(kEvents)][*] (Object) in abort-signal.js", 1000;
    a_list_behind_a_symbol: "symbol-key" =>
        "{url, done}", ("done", "symbol-key.js", 11), "agent[Symbol(pending)][] in symbol-key.js", 1000;
}

#[test]
fn functions_of_many_places_are_one_leak() {
    if node_is_there() {
        let report = Pair::make("compiled-rules").report();
        let [leak] = report.culprits.as_slice() else { panic!("{:#?}", report.culprits) };
        assert_eq!((leak.class.as_str(), leak.count_delta), ("Function", 200), "{leak:#?}");
        assert_eq!(leak.held_by, "rules[] in compiled-rules.js", "{leak:#?}");
    }
}

#[test]
fn several_leaks_are_all_named() {
    if node_is_there() {
        let held_by: Vec<_> = Pair::make("several").report().culprits.into_iter().map(|leak| leak.held_by).collect();
        let expected = ["tickets (Set) in several.js", "hooks.onClose[] in several.js", "errors[] in several.js"];
        assert_eq!(held_by, expected);
    }
}

#[test]
fn growth_that_a_cache_may_explain_is_said_to_be_so() {
    if node_is_there() {
        let report = Pair::make("beside-cache").report();
        let cautions: Vec<_> = report.culprits.iter().map(|culprit| culprit.caution.is_some()).collect();
        assert_eq!(cautions, [false, true], "{:#?}", report.culprits);
    }
}

#[test]
fn what_comes_and_goes_is_no_culprit() {
    if node_is_there() {
        for case in ["healthy", "lru", "lru-list", "bounded-ring"] {
            let report = Pair::make(case).report();
            assert!(report.culprits.is_empty(), "{case}: {}", report.headline);
            assert!(report.headline.starts_with("no culprit"), "{case}: {}", report.headline);
        }
    }
}
