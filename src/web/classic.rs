//! The text format of Prometheus before OpenMetrics, for scrapers that do not ask for the latter.
//!
//! OpenMetrics names a counter without its `_total` and an info without its `_info`; the older format wants each name as it
//! stands in the lines below it.

/// Rewrites a page of OpenMetrics 1.0 text.
pub fn from_open_metrics(page: &str) -> String {
    let mut classic = String::with_capacity(page.len());
    // HELP comes before TYPE, which decides about the name.
    let mut help: Option<(&str, &str)> = None;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some((_, text)) = help.take().filter(|(of, _)| *of == name) {
                push(&mut classic, &["# HELP ", name, suffix, " ", text, "\n"]);
            }
            push(&mut classic, &["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            push(&mut classic, &[line, "\n"]);
        }
    }
    classic
}

fn push(page: &mut String, parts: &[&str]) {
    page.extend(parts.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_lines_below() {
        let page = "# HELP heapwatch_build What is running.\n# TYPE heapwatch_build info\n\
            heapwatch_build_info{version=\"1\"} 1\n\
            # HELP heapwatch_polls Polls.\n# TYPE heapwatch_polls counter\nheapwatch_polls_total{target=\"a # b\"} 2\n\
            # HELP heapwatch_free_bytes Free.\n# TYPE heapwatch_free_bytes gauge\n# UNIT heapwatch_free_bytes bytes\n\
            heapwatch_free_bytes 3\n# EOF\n";
        let classic = "# HELP heapwatch_build_info What is running.\n# TYPE heapwatch_build_info gauge\n\
            heapwatch_build_info{version=\"1\"} 1\n\
            # HELP heapwatch_polls_total Polls.\n# TYPE heapwatch_polls_total counter\n\
            heapwatch_polls_total{target=\"a # b\"} 2\n\
            # HELP heapwatch_free_bytes Free.\n# TYPE heapwatch_free_bytes gauge\nheapwatch_free_bytes 3\n";
        assert_eq!(from_open_metrics(page), classic);
    }
}
