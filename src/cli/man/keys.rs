//! heapwatch.toml(5): the comments and keys of `config/heapwatch.toml` as a manual page.

use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::config::documented::{Line, REFERENCE, classify};

/// Where the package puts the file that this page is made from.
const COMMENTED_FILE: &str = "/usr/share/doc/heapwatch/examples/heapwatch.toml";

/// The page, as roff.
pub(super) fn page() -> String {
    page_of(REFERENCE)
}

fn page_of(reference: &str) -> String {
    let mut roff = Roff::new();
    let version = concat!("heapwatch ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["heapwatch.toml", "5", "", version, ""]);
    roff.control("SH", ["NAME"]).text([roman("heapwatch.toml - configuration of heapwatch, the memory watchdog")]);
    roff.control("SH", ["SYNOPSIS"]).text([italic("/etc/heapwatch/heapwatch.toml")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([
        roman("This page is made from "),
        italic(COMMENTED_FILE),
        roman(", which has the same as one file to copy from."),
    ]);
    let lines: Vec<&str> = reference.lines().collect();
    let mut page = Page { roff, comment: Vec::new(), has_key: false };
    for (index, line) in lines.iter().enumerate() {
        page.line(line, lines.get(index + 1).copied().unwrap_or_default());
    }
    page.flush();
    page.roff.control("SH", ["SEE ALSO"]).text([bold("heapwatch"), roman("(1)")]);
    page.roff.to_roff()
}

struct Page {
    roff: Roff,
    /// Lines of prose that wait for the end of what they are about.
    comment: Vec<String>,
    /// The prose is about a key that is written already.
    has_key: bool,
}

impl Page {
    fn line(&mut self, line: &str, next: &str) {
        match classify(line) {
            Line::Section(name) => self.section(name, next),
            Line::Default(key) => self.key(key, ""),
            Line::Example(key) | Line::Alternative(key) => match key.split_once(" # example") {
                Some((key, instead)) => self.key(key, &format!(" (example{instead})")),
                None => self.key(key, " (example)"),
            },
            Line::Prose => self.prose(line),
        }
    }

    fn section(&mut self, name: &str, next: &str) {
        if self.has_key {
            self.flush();
        }
        // Each type of channel has the same heading in the file.
        let kind = next
            .trim_start_matches('#')
            .strip_prefix("type = ")
            .map(|kind| kind.replace(" # example", "").replace('"', ""));
        let heading = kind.map_or_else(|| name.to_owned(), |kind| format!("{name} of type {kind}"));
        self.roff.control("SH", [heading.as_str()]);
        self.flush();
    }

    /// Keys that share a comment stand above it together.
    fn key(&mut self, key: &str, note: &str) {
        self.roff.control(if self.has_key { "TQ" } else { "TP" }, []).text([bold(key), italic(note)]);
        self.has_key = true;
    }

    fn prose(&mut self, line: &str) {
        let text = line.trim_start_matches('#').trim();
        if text.is_empty() || self.has_key {
            self.flush();
        }
        if !(text.is_empty() || text.starts_with("---")) {
            self.comment.push(text.to_owned());
        }
    }

    /// Writes the prose: below its key, else as a paragraph.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.comment).join(" ");
        if !text.is_empty() {
            if !self.has_key {
                self.roff.control("PP", []);
            }
            self.roff.text([roman(text)]);
        }
        self.has_key = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_above_their_comment_and_sections_above_theirs() {
        let page = page_of(
            "# A word.\n\n# What it is.\n#one = 1\n#two = 2 # example, instead of one\n# Alone.\n\n# A hook.\n\
             #[[channels]]\n#type = \"webhook\" # example\n",
        );
        let body = page.split("one file to copy from.\n").nth(1).unwrap();
        assert_eq!(
            body,
            ".PP\nA word.\n.TP\n\\fBone = 1\\fR\\fI\\fR\n.TQ\n\\fBtwo = 2\\fR\\fI (example, instead of one)\\fR\nWhat it is.\n\
             .PP\nAlone.\n.SH \"[[channels]] of type webhook\"\n.PP\nA hook.\n.TP\n\
             \\fBtype = \"webhook\"\\fR\\fI (example)\\fR\n.SH \"SEE ALSO\"\n\\fBheapwatch\\fR(1)\n"
        );
    }
}
