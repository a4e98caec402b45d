//! The names that services give to the fields, and the units they write into them.
//!
//! A name is compared without case and separators, so `heapUsed`, `heap_used` and `heap-used` are one. A name may be
//! spread over the last members of a path: `heap.used` is `heapUsed`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::field::{Field, Kind};

/// How many members at the end of a path may form a name: `gc.major.count`.
pub(super) const LONGEST_PATH: usize = 3;

/// Longer names are nobody's.
const LONGEST_NAME: usize = 64;
/// Shorter ones as well.
const SHORTEST_NAME: usize = 3;

/// Names of each field, the usual one first; the earlier wins where several stand in one object.
///
/// Besides Node's own: V8's `getHeapStatistics()`, the browser's `performance.memory`, Go's `memstats`, the
/// Prometheus client libraries and cgroup files.
const NAMES: [(Field, &[&str]); 13] = [
    (Field::HeapUsed, &["heapused", "usedheap", "usedheapsize", "heapusedsize", "usedjsheapsize", "heapalloc"]),
    (Field::HeapTotal, &["heaptotal", "totalheap", "totalheapsize", "heaptotalsize", "totaljsheapsize", "heapsys"]),
    (Field::External, &["external", "externalmemory", "memoryexternal"]),
    (Field::ArrayBuffers, &["arraybuffers", "arraybuffer", "arraybuffersmemory"]),
    (
        Field::Rss,
        &["rss", "residentsetsize", "residentset", "residentmemory", "processresidentmemory", "memoryrss", "rsssize"],
    ),
    (Field::HeapLimit, &["heapsizelimit", "heaplimit", "jsheapsizelimit", "maxheapsize", "maxheap", "heapmax"]),
    (
        Field::MemoryLimit,
        &[
            "memorylimit",
            "memlimit",
            "cgrouplimit",
            "cgroupmemorylimit",
            "cgroupmemorymax",
            "containerlimit",
            "containermemorylimit",
            "constrainedmemory",
            "memorymax",
            "maxmemory",
            "limitsmemory",
            "rsslimit",
        ],
    ),
    (
        Field::HeapUsedAfterGc,
        &[
            "heapusedaftergc",
            "heapaftergc",
            "heapusedaftermajorgc",
            "heapusedaftermajor",
            "usedheapaftergc",
            "heapusedpostgc",
            "postgcheapused",
            "aftergcheapused",
        ],
    ),
    (
        Field::MajorGcs,
        &[
            "majorgcs",
            "majorgccount",
            "majorgc",
            "majorgcstotal",
            "gcmajor",
            "gcmajorcount",
            "majorcollections",
            "marksweepcount",
            "marksweeps",
            "fullgcs",
            "fullgccount",
            "numgc",
        ],
    ),
    (
        Field::Requests,
        &[
            "requests",
            "requestcount",
            "requestscount",
            "requeststotal",
            "requesttotal",
            "totalrequests",
            "totalrequestcount",
            "requestsserved",
            "requestshandled",
            "requestsprocessed",
            "servedrequests",
            "handledrequests",
            "httprequests",
            "httprequeststotal",
            "httprequestcount",
            "numrequests",
            "requestcounter",
            "reqcount",
        ],
    ),
    (Field::Pid, &["pid", "processid"]),
    (Field::Uptime, &["uptime", "processuptime"]),
    (
        Field::StartTime,
        &[
            "starttime",
            "startedat",
            "started",
            "starttimestamp",
            "processstarttime",
            "processstartedat",
            "launchedat",
            "bootedat",
            "upsince",
        ],
    ),
];

/// Units at the end of a name, longer before shorter, with what one of them is in bytes. `MB` is 1,048,576 bytes: a
/// service that divides says `/ 1024 / 1024`.
const SIZE_UNITS: [(&str, u64); 15] = [
    ("kilobytes", 1 << 10),
    ("megabytes", 1 << 20),
    ("gigabytes", 1 << 30),
    ("kibibytes", 1 << 10),
    ("mebibytes", 1 << 20),
    ("gibibytes", 1 << 30),
    ("bytes", 1),
    ("byte", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1 << 10),
    ("mb", 1 << 20),
    ("gb", 1 << 30),
    ("tb", 1 << 40),
];

/// Units at the end of a name, longer before shorter, with what one of them is in milliseconds.
const TIME_UNITS: [(&str, u64); 13] = [
    ("milliseconds", 1),
    ("millis", 1),
    ("msec", 1),
    ("ms", 1),
    ("seconds", 1_000),
    ("secs", 1_000),
    ("sec", 1_000),
    ("minutes", 60_000),
    ("mins", 60_000),
    ("min", 60_000),
    ("hours", 3_600_000),
    ("days", 86_400_000),
    ("s", 1_000),
];

/// Members below these tell of the machine, not of the process.
const MACHINE: [&str; 4] = ["os", "host", "hostos", "machine"];

/// Members below these tell of another time, or of what is allowed, not of what is.
const ASIDE: [&str; 24] = [
    "peak",
    "max",
    "maximum",
    "min",
    "minimum",
    "avg",
    "average",
    "mean",
    "p95",
    "p99",
    "baseline",
    "initial",
    "start",
    "before",
    "previous",
    "prev",
    "last",
    "delta",
    "diff",
    "change",
    "growth",
    "history",
    "limits",
    "thresholds",
];

/// Members that hold the process's own figures.
const MEMORY: [&str; 7] = ["memory", "memoryusage", "mem", "process", "processmemory", "memoryinfo", "heapstatistics"];

/// The unit that a name ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// As written, in lower case.
    pub(super) name: &'static str,
    /// Bytes for sizes, milliseconds for times.
    pub(super) factor: u64,
}

impl Unit {
    /// Of metrics, which are in base units.
    pub(super) const BYTES: Self = Self { name: "bytes", factor: 1 };
}

/// What the end of a path says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) field: Field,
    pub(super) unit: Option<Unit>,
    /// Place among the field's names: 0 is the usual one.
    pub(super) place: usize,
    /// How many members of the path form the name.
    pub(super) members: usize,
}

/// A member's name without case and separators; empty where it is too long to be anybody's.
pub(super) fn plain(key: &str) -> String {
    let mut plain = String::new();
    make_plain(key, &mut plain);
    plain
}

/// The same in place of what `plain` was.
pub(super) fn make_plain(key: &str, plain: &mut String) {
    plain.clear();
    if key.len() <= LONGEST_NAME {
        plain.extend(key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()));
    }
}

/// The field that the last of these plain names make.
///
/// More members win where they make another field (`afterGc.heapUsed` is no heapUsed), fewer where they add nothing
/// (`memory.rss` is the `rss` of the object `memory`).
pub(super) fn recognise(path: &[&str]) -> Option<Name> {
    let mut best: Option<Name> = None;
    let mut joined = String::with_capacity(LONGEST_PATH * LONGEST_NAME);
    for (members, name) in (1..=LONGEST_PATH).zip(path.iter().rev()) {
        if name.is_empty() {
            break;
        }
        joined.insert_str(0, name);
        let known = look_up(&joined).map(|(field, place, unit)| Name { field, unit, place, members });
        best = match (best, known) {
            (Some(shorter), Some(longer)) if shorter.field != longer.field => Some(longer),
            (shorter, longer) => shorter.or(longer),
        };
    }
    best
}

/// The field and unit of a key in the configuration's map of pointers: `heapUsed`, `rssMB`.
pub(super) fn pointer_key(key: &str) -> Option<(Field, Option<Unit>)> {
    let name = plain(key);
    Field::ALL.into_iter().find_map(|field| {
        let rest = name.strip_prefix(plain(field.name()).as_str())?;
        if rest.is_empty() {
            return Some((field, None));
        }
        let (before, unit) = split_unit(rest, field.kind())?;
        before.is_empty().then_some((field, Some(unit)))
    })
}

/// Why a member below this path is not the present process, where it is not.
pub(super) fn out_of_place<'a>(field: Field, parents: &[&'a str]) -> Option<&'a str> {
    let limit = field.kind() == Kind::Limit;
    parents.iter().copied().find(|name| MACHINE.contains(name) || (!limit && ASIDE.contains(name)))
}

/// Whether the path leads through a member that holds the process's own figures.
pub(super) fn is_among_memory(parents: &[&str]) -> bool {
    parents.iter().any(|name| MEMORY.contains(name))
}

/// Fields by their names, with the place among the field's names. Every member of every body is looked up here.
static FIELDS: LazyLock<HashMap<&'static str, (Field, usize)>> = LazyLock::new(|| {
    let named = |&(field, names): &(Field, &[&'static str])| {
        names.iter().enumerate().map(move |(place, name)| (*name, (field, place))).collect::<Vec<_>>()
    };
    NAMES.iter().flat_map(named).collect()
});

fn look_up(name: &str) -> Option<(Field, usize, Option<Unit>)> {
    if !(SHORTEST_NAME..=LONGEST_NAME).contains(&name.len()) {
        return None;
    }
    if let Some(&(field, place)) = FIELDS.get(name) {
        return Some((field, place, None));
    }
    // A field has units of one of the two sorts, if any.
    [Kind::Memory, Kind::Span].into_iter().find_map(|kind| {
        let (stem, unit) = split_unit(name, kind)?;
        let &(field, place) = FIELDS.get(stem)?;
        (units_of(field.kind()) == units_of(kind)).then_some((field, place, Some(unit)))
    })
}

const fn units_of(kind: Kind) -> &'static [(&'static str, u64)] {
    match kind {
        Kind::Memory | Kind::Limit => &SIZE_UNITS,
        Kind::Span | Kind::Instant => &TIME_UNITS,
        Kind::Count | Kind::Pid => &[],
    }
}

fn split_unit(name: &str, kind: Kind) -> Option<(&str, Unit)> {
    let units = units_of(kind).iter();
    let (stem, unit) =
        units.copied().find_map(|(unit, factor)| Some((name.strip_suffix(unit)?, Unit { name: unit, factor })))?;
    Some((stem.strip_suffix("in").unwrap_or(stem), unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &[&str], expected: Option<(Field, Option<&str>)>) {
        let plain: Vec<String> = path.iter().map(|key| plain(key)).collect();
        let borrowed: Vec<&str> = plain.iter().map(String::as_str).collect();
        let name = recognise(&borrowed).map(|name| (name.field, name.unit.map(|unit| unit.name)));
        assert_eq!(name, expected, "{path:?}");
    }

    #[test]
    fn names_are_known_in_every_spelling() {
        for spelling in ["heapUsed", "heap_used", "heap-used", "HEAP_USED", "HeapUsed", "heap used"] {
            check(&[spelling], Some((Field::HeapUsed, None)));
        }
        check(&["heapUsedMB"], Some((Field::HeapUsed, Some("mb"))));
        check(&["rss_in_bytes"], Some((Field::Rss, Some("bytes"))));
        check(&["external-kib"], Some((Field::External, Some("kib"))));
        check(&["uptime_ms"], Some((Field::Uptime, Some("ms"))));
        check(&["process_start_time_seconds"], Some((Field::StartTime, Some("seconds"))));
        check(&["http_requests_total"], Some((Field::Requests, None)));
        check(&["memory.limit_in_bytes"], Some((Field::MemoryLimit, Some("bytes"))));
    }

    #[test]
    fn names_may_be_spread_over_members() {
        check(&["memory", "heap", "used"], Some((Field::HeapUsed, None)));
        check(&["memory", "heap", "used_mb"], Some((Field::HeapUsed, Some("mb"))));
        check(&["heapUsed", "bytes"], Some((Field::HeapUsed, Some("bytes"))));
        check(&["gc", "major", "count"], Some((Field::MajorGcs, None)));
        check(&["afterGc", "heapUsed"], Some((Field::HeapUsedAfterGc, None)));
        check(&["memory", "limit"], Some((Field::MemoryLimit, None)));
        check(&["limits", "memory"], Some((Field::MemoryLimit, None)));
        check(&["memory", "rss"], Some((Field::Rss, None)));
    }

    #[test]
    fn a_name_is_one_fields() {
        let names = NAMES.iter().map(|(_, names)| names.len()).sum::<usize>();
        assert_eq!(FIELDS.len(), names, "a name stands under two fields");
    }

    #[test]
    fn other_names_are_nobodys() {
        for other in ["heap", "used", "heapUsedPercent", "externalServices", "requestsPerMinute", "maxRSS", "mb", ""] {
            check(&[other], None);
        }
        check(&["", "used"], None);
        check(&["x".repeat(10_000).as_str()], None);
    }

    #[test]
    fn every_field_can_be_pointed_at() {
        for field in Field::ALL {
            assert_eq!(pointer_key(field.name()), Some((field, None)));
        }
        let (field, unit) = pointer_key("heapUsedMB").expect("a unit is allowed");
        assert_eq!((field, unit.map(|unit| unit.factor)), (Field::HeapUsed, Some(1 << 20)));
        for unknown in ["", "heapUse", "heapUsedPercent", "pidMB"] {
            assert_eq!(pointer_key(unknown), None, "{unknown:?}");
        }
    }
}
