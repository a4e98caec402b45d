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
    held_values_that_refer_to_their_target: "finalization" =>
        "{handle, opened}", ("Handle", "finalization.js", 5), "registry (FinalizationRegistry) in finalization.js", 1000;
    weak_references_whose_entries_stay: "weak-refs" => "WeakRef", UNKNOWN, "entries (Map) in weak-refs.js", 1000;
    contexts_that_no_hook_removes: "async-hooks" =>
        "Span", ("Span", "async-hooks.js", 7), "spans (Map) in async-hooks.js", 1000;
    a_context_behind_a_wait_without_end: "async-context" =>
        "Function", ("anonymous function", "async-context.js", 18), "never[] in async-context.js", 1000;
    texts_put_together: "ropes" =>
        "(concatenated string)", ("render", "ropes.js", 6), "history[] in ropes.js", 1000;
    a_module_object_that_became_a_dictionary: "dictionary" =>
        "Result", ("Result", "dictionary.js", 7), "resultsById (Object) in dictionary.js", 1000;
    a_chain_of_versions: "versions" => "Version", ("Version", "versions.js", 5), "document (Object) in versions.js", 1000;
    cursors_never_read_to_their_end: "generators" => "rows", ("rows", "generators.js", 6), "cursors (Set) in generators.js", 1000;
    handlers_that_are_class_fields: "class-fields" =>
        "Function", ("onChange", "class-fields.js", 18), "store.#listeners (Set) in class-fields.js", 1000;
    a_symbol_of_its_own_for_each_key: "symbol-keys" =>
        "{url, started}", ("start", "symbol-keys.js", 6), "pending (Object) in symbol-keys.js", 1000;
    records_behind_proxies: "proxies" => "Row", ("Row", "proxies.js", 5), "watched[] in proxies.js", 1000;
    a_map_behind_a_private_field: "private-map" =>
        "Account", ("Account", "private-map.js", 5), "accounts.#byId (Map) in private-map.js", 1000;
    a_cache_that_never_evicts: "never-evicts" =>
        "Page", ("Page", "never-evicts.js", 7), "pages.entries (Map) in never-evicts.js", 1000;
    global_objects_of_plug_ins: "contexts" => "Function", ("onUnload", "plugin.js", 1), "hooks[] in contexts.js", 20;
    bound_functions: "bound" => "Function", ("finish", "bound.js", 11), "onExit[] in bound.js", 1000;
    typed_arrays: "typed-arrays" =>
        "Float64Array", ("measure", "typed-arrays.js", 6), "windows (Map) in typed-arrays.js", 1000;
    routes_that_are_added_again: "routes" =>
        "{path, handle, keys}", ("show", "routes.js", 11), "app.router.stack[] in routes.js", 1000;
    labels_without_end: "labels" =>
        "(concatenated string)", ("count", "labels.js", 6), "counters (Map) in labels.js", 1000;
    pieces_that_keep_the_whole: "slices" => "Buffer", ("receive", "slices.js", 6), "tokens (Map) in slices.js", 50;
    failures_that_are_kept: "errors" =>
        "UpstreamError", ("UpstreamError", "errors.js", 5), "failures[] in errors.js", 1000;
    answers_in_a_closure: "memoized" =>
        "{item, net, label}", ("remembered", "memoized.js", 6), "answers (Map) in memoized.js", 1000;
    listeners_on_a_socket: "listeners-socket" => "Function", ("onError", "listeners-socket.js", 11),
        "connection._events.error[] in listeners-socket.js", 1000;
    copies_of_a_module: "module-children" => "Module", UNKNOWN, "module.children[]", 200;
    an_exported_variable_of_a_module: "exports.mjs" =>
        "Cart", ("Cart", "exports.mjs", 5), "carts (Map) in exports.mjs", 1000;
    intervals_that_outlive_their_connections: "connections" => "Timeout",
        ("anonymous function", "connections.js", 15), "timerListMap[1800000] (TimersList) in node:internal/timers", 1000;
    a_list_that_is_copied_to_grow: "copied-list" =>
        "Function", ("onChange", "copied-list.js", 11), "settings.observers[] in copied-list.js", 1000;
    objects_that_listen: "handlers" =>
        "Listener", ("View", "handlers.js", 7), "bus[Symbol(kEvents)][*] (Object) in handlers.js", 1000;
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
fn four_leaks_of_like_size_are_all_named() {
    if node_is_there() {
        let mut held_by: Vec<_> =
            Pair::make("several-holders").report().culprits.into_iter().map(|leak| leak.held_by).collect();
        held_by.sort();
        let expected = [
            "bus._events.close[] in several-holders.js",
            "logins (Map) in several-holders.js",
            "outgoing[] in several-holders.js",
            "waiting (Set) in several-holders.js",
        ];
        assert_eq!(held_by, expected);
    }
}

/// What is open in the event loop is held by no object of the program.
#[test]
fn handles_that_are_never_closed_are_told() {
    if node_is_there() {
        for (case, class, count, function) in
            [("sockets", "Socket", 200, ""), ("message-ports", "MessagePort", 400, "onAnswer")]
        {
            let report = Pair::make(case).report();
            let first = report.culprits.first().unwrap_or_else(|| panic!("{case}: {}", report.headline));
            assert_eq!((first.class.as_str(), first.count_delta), (class, count), "{case}: {first:#?}");
            assert_eq!(first.held_by, "native handles that are open", "{case}: {first:#?}");
            assert!(function.is_empty() || first.function == function, "{case}: {first:#?}");
        }
    }
}

/// Five maps of maps are one leak, and none is a link of a chain of maps.
#[test]
fn maps_within_maps_are_one_leak() {
    if node_is_there() {
        let report = Pair::make("nested-maps").report();
        let [leak] = report.culprits.as_slice() else { panic!("{:#?}", report.culprits) };
        assert_eq!((leak.class.as_str(), leak.count_delta), ("Map", 1000), "{leak:#?}");
        assert_eq!(leak.held_by, "tenants[*] (Map) in nested-maps.js and 4 more like it", "{leak:#?}");
    }
}

/// Each branch of a tree gains a third, and all of them by the same line.
#[test]
fn branches_of_a_tree_are_one_leak() {
    if node_is_there() {
        let report = Pair::make("prefix-tree").report();
        let [leak] = report.culprits.as_slice() else { panic!("{:#?}", report.culprits) };
        assert_eq!((leak.class.as_str(), leak.count_delta), ("{children, handler}", 1000), "{leak:#?}");
        assert!(leak.held_by.starts_with("routes.children.api.children.v"), "{leak:#?}");
        assert!(leak.held_by.ends_with(".children.items.children (Object) in prefix-tree.js and 2 more like it"));
    }
}

/// The promises of a chain hold one another, from the first on, which never settles.
#[test]
fn a_chain_of_promises_is_told_by_its_work() {
    if node_is_there() {
        let report = Pair::make("promise-chain").report();
        let first = report.culprits.first().unwrap_or_else(|| panic!("{}", report.headline));
        assert_eq!((first.function.as_str(), first.held_by.as_str()), ("run", "first (Promise) in promise-chain.js"));
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
        for case in [
            "healthy",
            "lru",
            "lru-list",
            "bounded-ring",
            "cache-to-cap",
            "lazy-modules",
            "warm-code",
            "load-rise",
            "tables-once",
            "steady-server",
            "lazy-builtins",
            "expiring",
        ] {
            let report = Pair::make(case).report();
            assert!(report.culprits.is_empty(), "{case}: {}", report.headline);
            assert!(report.headline.starts_with("no culprit"), "{case}: {}", report.headline);
        }
    }
}
