//! Draws what grew as a flame graph: the width of a call is what stayed of all that was made below it.

use std::io::{self, Write};

use super::report::{Caller, ProfileReport};
use crate::heap::path::file_name;

/// Characters of a name.
const LONGEST_NAME: usize = 120;

/// Writes an SVG of the stacks that grew, with names that a browser may show whatever they hold. Its script lets a
/// person search it and zoom in.
///
/// # Errors
/// Where `svg` cannot be written, and where no stack grew: there is nothing to draw then.
pub fn draw_growth(report: &ProfileReport, svg: impl Write) -> io::Result<()> {
    draw(report, inferno::flamegraph::Options::default(), svg)
}

/// The same without any script, for a page.
///
/// # Errors
/// As [`draw_growth`].
pub fn draw_still(report: &ProfileReport, mut svg: impl Write) -> io::Result<()> {
    /// Pixels. With a width of its own, names are cut to fit by inferno, else by the script.
    const WIDTH: usize = 1200;
    let mut options = inferno::flamegraph::Options::default();
    options.no_javascript = true;
    options.image_width = Some(WIDTH);
    let mut drawn = Vec::new();
    draw(report, options, &mut drawn)?;
    let mut drawn = String::from_utf8_lossy(&drawn).into_owned();
    // What only the script makes use of, its settings among it. Nothing of the process's stands before them.
    for (from, to) in [("<script", "</script>"), ("<text id=\"search\"", "</text>"), ("<text id=\"unzoom\"", "</text>")]
    {
        drawn = without(&drawn, from, to);
    }
    drawn = drawn.replacen(" onload=\"init(evt)\"", "", 1);
    svg.write_all(drawn.as_bytes())
}

/// The text without the first part of it that begins with `from` and ends with `to`.
fn without(text: &str, from: &str, to: &str) -> String {
    let cut = text.split_once(from).and_then(|(before, rest)| Some((before, rest.split_once(to)?.1)));
    cut.map_or_else(|| text.to_owned(), |(before, after)| format!("{before}{after}"))
}

fn draw(report: &ProfileReport, mut options: inferno::flamegraph::Options<'_>, svg: impl Write) -> io::Result<()> {
    let lines: Vec<String> = report.stacks.iter().map(line).collect();
    options.title = "What stayed between two heap profiles, by the stack that made it".into();
    options.count_name = "bytes".into();
    options.colors = inferno::flamegraph::Palette::Basic(inferno::flamegraph::color::BasicPalette::Mem);
    inferno::flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), svg)
}

/// A stack in the folded form: frames from the outermost, and the bytes.
fn line(stack: &super::report::StackGrowth) -> String {
    let frames: Vec<String> = stack.frames.iter().map(label).collect();
    format!("{} {}", frames.join(";"), stack.after_bytes.saturating_sub(stack.before_bytes))
}

fn label(frame: &Caller) -> String {
    // A longer name would not fit any screen.
    let shown = |name: &str| name.chars().take(LONGEST_NAME).collect::<String>();
    let function = shown(&frame.function);
    let name = match &frame.location {
        Some(at) => format!("{function} ({}:{})", shown(file_name(&at.script)), at.line),
        // A name that ends in a number would be read as a count of its own.
        None => format!("{function} (runtime)"),
    };
    // What separates frames and stacks in this form must not stand in a name.
    name.replace([';', '\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::profile::report::StackGrowth;

    #[test]
    fn names_of_the_process_are_escaped() {
        let hostile = Caller { function: "</text><script>alert(1)</script>;x\n1".into(), location: None };
        let stack = StackGrowth { frames: vec![hostile], before_bytes: 0, after_bytes: 1 << 20 };
        let mut svg = Vec::new();
        draw_growth(&ProfileReport { stacks: vec![stack], ..ProfileReport::default() }, &mut svg).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        assert!(svg.contains("&lt;script&gt;alert(1)&lt;/script&gt; x 1 (runtime)"), "{svg}");
        assert!(!svg.contains("<script>alert"));
    }

    #[test]
    fn a_still_one_has_no_script_and_no_handler() {
        let frame = Caller { function: "onload=\"alert(1)\"".into(), location: None };
        let stack = StackGrowth { frames: vec![frame], before_bytes: 0, after_bytes: 1 << 20 };
        let mut svg = Vec::new();
        draw_still(&ProfileReport { stacks: vec![stack], ..ProfileReport::default() }, &mut svg).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        assert!(svg.contains("onload=&quot;alert(1)&quot; (runtime)"), "{svg}");
        for active in ["<script", "nametype", ">Search<", " onload=\"", " onclick=\"", "javascript:", "href"] {
            assert!(!svg.contains(active), "{active} in {svg}");
        }
    }

    #[test]
    fn nothing_grown_is_an_error_and_no_empty_picture() {
        assert!(draw_growth(&ProfileReport::default(), Vec::new()).is_err());
    }
}
