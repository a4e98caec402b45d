//! Recorded samples: a CSV with a header, columns in any order, any subset of those known, plain or gzipped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use csv::StringRecord;
use flate2::bufread::MultiGzDecoder;

use crate::clock::Timestamp;
use crate::sample::Sample;

/// Why a file is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It cannot be opened or read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// There is no time, without which there is no slope.
    #[error("{path}:1: has no column `time` (known columns: {known})", known = COLUMNS.join(", "))]
    NoTime {
        /// Which file.
        path: PathBuf,
    },
    /// There is no memory to judge.
    #[error("{path}:1: has none of the columns heapUsed, external and rss")]
    NoMemory {
        /// Which file.
        path: PathBuf,
    },
    /// A cell holds something else than a number.
    #[error("{path}:{line}: {column} is `{text}`, which is no {wanted}")]
    Cell {
        /// Which file.
        path: PathBuf,
        /// Its line, the header being the first.
        line: u64,
        /// Name of the column.
        column: String,
        /// What the cell holds, its first characters.
        text: String,
        /// What would be right.
        wanted: &'static str,
    },
}

/// Columns that are understood; others are gauges.
const COLUMNS: [&str; 12] = [
    "time",
    "heapUsed",
    "heapTotal",
    "external",
    "arrayBuffers",
    "rss",
    "requests",
    "uptime",
    "pid",
    "memoryLimit",
    "heapUsedAfterGc",
    "majorGcs",
];

/// Reads a trace, in the order of the file. Lines that begin with `#` are remarks.
pub fn read(path: &Path) -> Result<Vec<Sample>, TraceError> {
    let cannot_read = |source| TraceError::Read { path: path.to_owned(), source };
    let text = open(path).map_err(|error| cannot_read(error.into()))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text);
    let header = reader.headers().map_err(cannot_read)?.clone();
    let has = |name: &str| header.iter().any(|column| column == name);
    if !has("time") {
        return Err(TraceError::NoTime { path: path.to_owned() });
    }
    if !["heapUsed", "external", "rss"].into_iter().any(has) {
        return Err(TraceError::NoMemory { path: path.to_owned() });
    }
    let mut samples = Vec::new();
    for record in reader.records() {
        let record = record.map_err(cannot_read)?;
        let line = record.position().map_or(0, csv::Position::line);
        samples.push(sample(&header, &record).map_err(|cell| cell.at(path, line))?);
    }
    Ok(samples)
}

/// The text of a file, unpacked where its first bytes are those of gzip.
fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let mut file = BufReader::new(File::open(path)?);
    let packed = file.fill_buf()?.starts_with(&GZIP);
    Ok(if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// A cell that cannot be understood.
struct BadCell {
    column: String,
    text: String,
    wanted: &'static str,
}

impl BadCell {
    fn at(self, path: &Path, line: u64) -> TraceError {
        let Self { column, text, wanted } = self;
        TraceError::Cell { path: path.to_owned(), line, column, text, wanted }
    }
}

fn sample(header: &StringRecord, record: &StringRecord) -> Result<Sample, BadCell> {
    let mut sample = Sample::empty(Timestamp::from_unix_ms(0));
    for (column, text) in header.iter().zip(record) {
        let bad = |wanted| BadCell { column: column.to_owned(), text: text.chars().take(40).collect(), wanted };
        if text.is_empty() && column != "time" {
            continue;
        }
        let number: f64 = text.parse().map_err(|_| bad("number"))?;
        if column == "time" {
            sample.at = Timestamp::from_unix_seconds(number).ok_or_else(|| bad("time in Unix seconds"))?;
            continue;
        }
        let count = count(number).ok_or_else(|| bad("number from 0 to 2^53"));
        match column {
            "heapUsed" => sample.heap_used = Some(count?),
            "heapTotal" => sample.heap_total = Some(count?),
            "external" => sample.external = Some(count?),
            "arrayBuffers" => sample.array_buffers = Some(count?),
            "rss" => sample.rss = Some(count?),
            "requests" => sample.requests = Some(count?),
            "uptime" => sample.uptime = Some(Duration::try_from_secs_f64(number).map_err(|_| bad("time in seconds"))?),
            "pid" => sample.pid = Some(count?),
            "memoryLimit" => sample.memory_limit = Some(count?),
            "heapUsedAfterGc" => sample.heap_used_after_gc = Some(count?),
            "majorGcs" => sample.major_gcs = Some(count?),
            gauge => sample.gauges.push((gauge.to_owned(), number)),
        }
    }
    Ok(sample)
}

/// A whole number that an f64 holds exactly.
fn count(number: f64) -> Option<u64> {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range check makes it exact")]
    (0.0..=LARGEST).contains(&number).then_some(number.round() as u64)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn trace(text: &[u8]) -> Result<Vec<Sample>, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        let name = file.path().display().to_string();
        read(file.path()).map_err(|error| error.to_string().replace(&name, "trace.csv"))
    }

    #[test]
    fn columns_come_in_any_order_and_may_be_empty() {
        let samples = trace(b"rss,time,listeners,heapUsed\n100,1.5,3,\n,2,4.5,50\n").unwrap();
        assert_eq!(samples[0].rss, Some(100));
        assert_eq!(samples[0].heap_used, None);
        assert_eq!(samples[0].at, Timestamp::from_unix_ms(1500));
        assert_eq!(samples[1].heap_used, Some(50));
        assert_eq!(samples[1].gauges, [("listeners".to_owned(), 4.5)]);
    }

    #[test]
    fn gzip_and_remarks_are_read_and_lines_are_still_counted() {
        let text = b"# who, when\n# how\ntime,rss\n1,2\n2,lots\n";
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text).unwrap();
        for bytes in [text.to_vec(), packed.finish().unwrap()] {
            let error = trace(&bytes).unwrap_err();
            assert!(error.starts_with("trace.csv:5: rss is `lots`"), "{error}");
        }
        assert!(trace(&[0x1f, 0x8b, 8, 0, 0, 0]).unwrap_err().contains("cannot read"), "cut off");
    }

    #[test]
    fn bad_rows_are_named_by_file_and_line() {
        for (text, message) in [
            ("heapUsed\n1\n", "trace.csv:1: has no column `time`"),
            ("time,uptime\n1,1\n", "trace.csv:1: has none of the columns heapUsed, external and rss"),
            ("time,rss\n1,2\n2,lots\n", "trace.csv:3: rss is `lots`, which is no number"),
            ("time,rss\n1,-2\n", "trace.csv:2: rss is `-2`, which is no number from 0 to 2^53"),
            ("time,rss\nNaN,2\n", "trace.csv:2: time is `NaN`, which is no time in Unix seconds"),
            ("time,rss,uptime\n1,2,-3\n", "trace.csv:2: uptime is `-3`, which is no time in seconds"),
        ] {
            let error = trace(text.as_bytes()).unwrap_err();
            assert!(error.starts_with(message), "{text:?}: {error}");
        }
        assert!(trace(b"time,rss\n1\n").unwrap_err().contains("cannot read"), "a row with too few cells");
    }

    proptest! {
        #[test]
        fn no_bytes_can_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut text = b"time,rss\n".to_vec();
            text.extend(bytes);
            if let Ok(samples) = trace(&text) {
                prop_assert!(samples.len() <= text.len());
            }
        }
    }
}
