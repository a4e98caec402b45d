//! Which function made what stayed.
//!
//! A stack ends in whatever allocates: often a function of the runtime or of a dependency. To blame is the nearest
//! function above it that the program's own authors wrote; stacks that share it are one culprit, and so are a constructor and
//! the function that keeps what it makes. A difference counts
//! when it is beyond chance, which is known since every object was remembered independently of the others.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::Frame;
use super::compare::{Stack, Stacks};
use super::report::{Caller, ProfileCulprit, ProfileReport};
use crate::heap::path::file_name;
use crate::heap::report::Location;
use crate::units::ByteSize;

/// Differences of fewer standard deviations are chance: one in 740 without any growth.
const BEYOND_CHANCE: f64 = 3.0;
/// Less is noise whatever the rate of sampling: the profiler itself and compiled code come to half of it.
const SMALLEST_GROWTH: i64 = 128 << 10;
/// Growth below this part of what was alive is what comes and goes in a busy process.
const SMALLEST_PART_OF_ALIVE: f64 = 0.01;
/// A constructor is of one leak with its caller from this part of its growth on.
const FROM_ONE_CALLER: f64 = 0.9;
/// Growth below this part of all growth is not what fills the memory.
const SMALLEST_SHARE: f64 = 0.05;
/// Most culprits worth a reader's time.
const MOST_CULPRITS: usize = 10;
/// Most callers that are told.
const MOST_CALLERS: usize = 8;
/// Most functions of runtime and dependencies that are told.
const MOST_THROUGH: usize = 4;

/// Fills in culprits, headline and notes.
pub(super) fn accuse(stacks: &Stacks<'_>, report: &mut ProfileReport) {
    let growth: i64 = stacks.stacks.iter().fold(0, |sum, stack| sum.saturating_add(stack.growth()));
    let mut groups: Vec<Group<'_>> = grouped(stacks);
    let part = |group: &Group<'_>| group.growth as f64 / report.before_bytes as f64;
    groups.retain(|group| group.growth >= SMALLEST_GROWTH && group.is_beyond_chance());
    groups.retain(|group| group.share_of(growth) >= SMALLEST_SHARE && part(group) >= SMALLEST_PART_OF_ALIVE);
    join_constructors(&mut groups, stacks);
    groups.sort_by_key(|group| Reverse(group.growth));
    groups.truncate(MOST_CULPRITS);
    report.culprits = groups.iter().map(|group| group.culprit(stacks, growth)).collect();
    rewrite_headline(report);
}

/// Says the first culprit, or that there is none.
fn rewrite_headline(report: &mut ProfileReport) {
    report.headline = report.culprits.first().map_or_else(|| nothing_found(report), |first| first.headline.clone());
}

fn nothing_found(report: &ProfileReport) -> String {
    let (before, after) = (report.before_bytes, report.after_bytes);
    let change = if after >= before { "grew" } else { "shrank" };
    format!(
        "no culprit: what is alive {change} by {}, and no function's part of it grew beyond chance",
        ByteSize::new(before.abs_diff(after))
    )
}

/// Stacks that one function is to blame for.
struct Group<'a> {
    blamed: &'a Frame,
    growth: i64,
    variance: f64,
    samples: u64,
    /// The stack that grew most.
    heaviest: usize,
    /// All of them.
    members: Vec<usize>,
}

fn grouped<'a>(stacks: &Stacks<'a>) -> Vec<Group<'a>> {
    let mut groups: HashMap<&Frame, Group<'a>> = HashMap::new();
    for (at, stack) in stacks.stacks.iter().enumerate() {
        let Some(blamed) = blamed(stacks, at) else { continue };
        let empty = Group { blamed, growth: 0, variance: 0.0, samples: 0, heaviest: at, members: Vec::new() };
        groups.entry(blamed).or_insert(empty).add(at, stack, stacks);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    // The order of a map is no order; the sort by growth keeps this one where growth is the same.
    groups.sort_by_key(|group| group.heaviest);
    groups
}

/// What a constructor makes and its caller keeps is one leak: the larger part of it is named, and tells of the other.
fn join_constructors(groups: &mut Vec<Group<'_>>, stacks: &Stacks<'_>) {
    let mut at = 0;
    while at < groups.len() {
        let caller = groups[at].blamed.is_constructor().then(|| groups[at].only_caller(stacks)).flatten();
        let of_caller = caller.and_then(|caller| groups.iter().position(|group| group.blamed == caller));
        match of_caller.filter(|of_caller| *of_caller != at) {
            Some(of_caller) => {
                let constructor = groups.remove(at);
                groups[if of_caller > at { of_caller - 1 } else { of_caller }].join(constructor);
            }
            None => at += 1,
        }
    }
}

impl<'a> Group<'a> {
    /// The program's function that (nearly) all of the growth was made for, next above the one that is blamed.
    fn only_caller(&self, stacks: &Stacks<'a>) -> Option<&'a Frame> {
        let caller_of = |at: usize| {
            let way = stacks.way_to(at);
            let place = way.iter().rposition(|&frame| frame == self.blamed)?;
            way[..place].iter().rev().copied().find(|frame| frame.is_of_program())
        };
        let caller = caller_of(self.heaviest)?;
        let members = self.members.iter().filter(|&&at| caller_of(at) == Some(caller));
        let growth: i64 = members.fold(0, |sum, &at| sum.saturating_add(stacks.stacks[at].growth()));
        (growth as f64 >= FROM_ONE_CALLER * self.growth as f64).then_some(caller)
    }

    /// Takes in another group of the same leak; the larger of the two is named.
    fn join(&mut self, other: Self) {
        if other.growth > self.growth {
            (self.blamed, self.heaviest) = (other.blamed, other.heaviest);
        }
        self.growth = self.growth.saturating_add(other.growth);
        self.variance += other.variance;
        self.samples = self.samples.saturating_add(other.samples);
        self.members.extend(other.members);
    }
}

impl Group<'_> {
    fn add(&mut self, at: usize, stack: &Stack<'_>, stacks: &Stacks<'_>) {
        self.growth = self.growth.saturating_add(stack.growth());
        self.variance += stack.variance;
        self.samples = self.samples.saturating_add(stack.changed_samples);
        self.members.push(at);
        if stack.growth() > stacks.stacks[self.heaviest].growth() {
            self.heaviest = at;
        }
    }

    fn is_beyond_chance(&self) -> bool {
        self.growth > 0 && self.growth as f64 > BEYOND_CHANCE * self.variance.sqrt()
    }

    fn share_of(&self, growth: i64) -> f64 {
        if growth <= 0 { 1.0 } else { (self.growth as f64 / growth as f64).clamp(0.0, 1.0) }
    }

    fn culprit(&self, stacks: &Stacks<'_>, growth: i64) -> ProfileCulprit {
        let way = stacks.way_to(self.heaviest);
        let place = way.iter().rposition(|&frame| frame == self.blamed).unwrap_or(0);
        let callers = way[..place].iter().rev().filter(|frame| frame.has_script());
        let through = way.get(place + 1..).unwrap_or_default().iter().filter(|frame| !frame.function.is_empty());
        let mut culprit = ProfileCulprit {
            function: self.blamed.name().to_owned(),
            location: self.blamed.location(),
            callers: callers.take(MOST_CALLERS).map(|&frame| Caller::from(frame)).collect(),
            through: through.take(MOST_THROUGH).map(|frame| frame.function.clone()).collect(),
            bytes_delta: self.growth,
            share_of_growth: self.share_of(growth),
            samples: self.samples,
            ..ProfileCulprit::default()
        };
        culprit.headline = headline(&culprit);
        culprit
    }
}

/// The innermost function of the program on the way to a stack, else of a dependency; none for the runtime's own.
fn blamed<'a>(stacks: &Stacks<'a>, at: usize) -> Option<&'a Frame> {
    let way = stacks.way_to(at);
    let innermost = |is_it: fn(&Frame) -> bool| way.iter().rev().copied().find(|&frame| is_it(frame));
    innermost(Frame::is_of_program).or_else(|| innermost(Frame::has_script))
}

/// `+24.1 MiB that stayed (93 % of the growth): made by payload at service.js:113:17, called by logRequests at ...`
fn headline(culprit: &ProfileCulprit) -> String {
    let percent = culprit.share_of_growth * 100.0;
    let stayed = ByteSize::new(culprit.bytes_delta.unsigned_abs());
    let made = named(&culprit.function, culprit.location.as_ref());
    let called = culprit.callers.first().map_or_else(String::new, |caller| {
        format!(", called by {}", named(&caller.function, caller.location.as_ref()))
    });
    format!("+{stayed} that stayed ({percent:.0} % of the growth): made by {made}{called}")
}

fn named(function: &str, location: Option<&Location>) -> String {
    location.map_or_else(
        || function.to_owned(),
        |at| format!("{function} at {}:{}:{}", file_name(&at.script), at.line, at.column),
    )
}

/// Puts the places back into their sources, where `original` knows them: the place, and the name if it has one.
pub fn restore_sources(report: &mut ProfileReport, original: impl Fn(&Location) -> Option<(Location, Option<String>)>) {
    for culprit in &mut report.culprits {
        for caller in &mut culprit.callers {
            let Some((location, name)) = caller.location.as_ref().and_then(&original) else { continue };
            caller.location = Some(location);
            caller.function = name.unwrap_or_else(|| std::mem::take(&mut caller.function));
        }
        if let Some((location, name)) = culprit.location.as_ref().and_then(&original) {
            culprit.generated = culprit.location.replace(location);
            culprit.function = name.unwrap_or_else(|| std::mem::take(&mut culprit.function));
        }
        culprit.headline = headline(culprit);
    }
    rewrite_headline(report);
}

#[cfg(test)]
mod tests {
    use super::super::{Profile, compare_profiles, read};
    use super::*;

    /// A profile whose stacks are written `outer;inner`, with samples of 512 KiB under the given ordinals. A name with a
    /// slash is a script's, one without is the runtime's.
    fn profile(stacks: &[(&str, std::ops::Range<u64>)]) -> Profile {
        let call = |name: &str, id: usize, size: u64, children: String| {
            let url = if name.contains('/') { name } else { "" };
            format!(
                r#"{{"callFrame":{{"functionName":"{}","url":"{url}","lineNumber":4,"columnNumber":8}},"selfSize":{size},"id":{id},"children":[{children}]}}"#,
                name.rsplit('/').next().unwrap_or(name)
            )
        };
        let (mut calls, mut samples, mut id) = (Vec::new(), Vec::new(), 1);
        for (stack, ordinals) in stacks {
            let size = (ordinals.end - ordinals.start) * (512 << 10);
            let mut inner = String::new();
            for (depth, name) in stack.rsplit(';').enumerate() {
                id += 1;
                if depth == 0 {
                    samples.extend(
                        ordinals.clone().map(|at| format!(r#"{{"size":524288,"nodeId":{id},"ordinal":{at}}}"#)),
                    );
                }
                inner = call(name, id, if depth == 0 { size } else { 0 }, inner);
            }
            calls.push(inner);
        }
        let head = call("(root)", 1, 0, calls.join(","));
        read(format!(r#"{{"head":{head},"samples":[{}]}}"#, samples.join(",")).as_bytes()).unwrap()
    }

    fn compare(before: &[(&str, std::ops::Range<u64>)], after: &[(&str, std::ops::Range<u64>)]) -> ProfileReport {
        compare_profiles(&profile(before), &profile(after)).unwrap()
    }

    const LOG: &str = "/srv/node_modules/express/handle;/srv/log.js/log;/srv/node_modules/uuid/make;slice";

    #[test]
    fn the_programs_own_function_nearest_to_the_allocation_is_blamed() {
        let report = compare(&[(LOG, 1..10)], &[(LOG, 1..60), ("/srv/log.js/log", 60..70)]);
        let [culprit] = report.culprits.as_slice() else { panic!("{report:?}") };
        assert_eq!(culprit.function, "log");
        let at = Location { script: "/srv/log.js/log".into(), line: 5, column: 9 };
        assert_eq!(culprit.location.as_ref(), Some(&at));
        assert_eq!(culprit.bytes_delta, 60 * (512 << 10));
        assert_eq!(culprit.callers[0].function, "handle");
        assert_eq!(culprit.through, ["make", "slice"]);
        assert_eq!(culprit.samples, 60);
        assert!(report.headline.starts_with("+30 MiB that stayed (100 % of the growth): made by log at"), "{report:?}");
    }

    #[test]
    fn a_constructor_and_the_function_that_keeps_what_it_makes_are_one_culprit() {
        let made = "/srv/app.js/track;/srv/app.js/Session;slice";
        let report = compare(&[(made, 1..3)], &[(made, 1..43), ("/srv/app.js/track;push", 43..63)]);
        let [culprit] = report.culprits.as_slice() else { panic!("{report:#?}") };
        assert_eq!((culprit.function.as_str(), culprit.callers[0].function.as_str()), ("Session", "track"));
        assert_eq!((culprit.bytes_delta, culprit.samples), (60 * (512 << 10), 60));
        // The caller's own part is the larger one: it is named, and what it is made through is told.
        let report = compare(&[(made, 1..3)], &[(made, 1..23), ("/srv/app.js/track;push", 23..63)]);
        let [culprit] = report.culprits.as_slice() else { panic!("{report:#?}") };
        assert_eq!((culprit.function.as_str(), culprit.bytes_delta), ("track", 60 * (512 << 10)));
    }

    #[test]
    fn a_function_and_its_caller_that_leak_both_are_two_culprits() {
        let before = [("/srv/app.js/handle;/srv/app.js/put", 1..3)];
        let after = [("/srv/app.js/handle;/srv/app.js/put", 1..43), ("/srv/app.js/handle;push", 43..63)];
        assert_eq!(compare(&before, &after).culprits.len(), 2, "no constructor: each may keep what it makes");
        let one = "/srv/app.js/login;/srv/app.js/Session";
        let other = "/srv/app.js/import;/srv/app.js/Session";
        let report = compare(&[(one, 1..3)], &[(one, 1..33), (other, 33..63), ("/srv/app.js/login;push", 63..93)]);
        assert_eq!(report.culprits.len(), 2, "a constructor of two callers is of neither");
    }

    #[test]
    fn what_comes_and_goes_is_no_culprit() {
        // A hundred objects made place for others and for ten more: within chance.
        let report = compare(&[("/srv/cache.js/put", 1..101)], &[("/srv/cache.js/put", 101..211)]);
        assert_eq!(report.culprits, []);
        assert!(report.headline.starts_with("no culprit: what is alive grew by 5 MiB"), "{}", report.headline);
    }

    #[test]
    fn a_leak_beside_a_busy_cache_is_found() {
        let before = [("/srv/cache.js/put", 1..401), ("/srv/log.js/log", 401..411)];
        let after = [("/srv/cache.js/put", 500..890), ("/srv/log.js/log", 401..441)];
        let report = compare(&before, &after);
        let [culprit] = report.culprits.as_slice() else { panic!("{report:?}") };
        assert_eq!(culprit.function, "log");
    }

    #[test]
    fn profiles_of_two_processes_are_refused_with_the_figure() {
        let before = profile(&[("/srv/a.js/f", 1000..1100)]);
        let after = profile(&[("/srv/a.js/f", 500..1200)]);
        let problem = compare_profiles(&before, &after).unwrap_err();
        assert!(problem.to_string().contains("17 % of what the second remembers"), "{problem}");
    }

    #[test]
    fn the_later_profile_first_is_refused() {
        let (early, late) = (profile(&[("/srv/a.js/f", 1..9)]), profile(&[("/srv/a.js/f", 1..99)]));
        assert!(compare_profiles(&late, &early).unwrap_err().to_string().contains("give the earlier first"));
    }

    #[test]
    fn bundled_places_become_those_of_the_source() {
        let mut report = compare(&[], &[("/srv/bundle.js/h;/srv/bundle.js/e", 1..60)]);
        restore_sources(&mut report, |at| {
            Some((Location { script: "src/log.ts".into(), line: 12, ..at.clone() }, Some("logRequests".into())))
        });
        assert!(report.headline.contains("made by logRequests at log.ts:12:9, called by"), "{}", report.headline);
        assert_eq!(report.culprits[0].generated.as_ref().unwrap().script, "/srv/bundle.js/e");
    }
}
