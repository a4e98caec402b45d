//! Opens snapshot files: plain, gzip or zstd, told apart by their first bytes, with progress on a terminal.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Seek};
use std::path::Path;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Smaller files are read before a progress bar could be looked at.
const WORTH_A_BAR_BYTES: u64 = 64 << 20;

/// A reader of the uncompressed snapshot, which shows its progress among `bars`.
pub(super) fn open(path: &Path, bars: &MultiProgress) -> io::Result<Box<dyn Read + Send>> {
    // To open a pipe that nobody writes to would wait for ever, and what is compared is read from its beginning twice.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no regular file"));
    }
    let mut file = File::open(path)?;
    let mut magic = [0; 4];
    let known = read_up_to(&mut file, &mut magic)?;
    file.rewind()?;
    let length = file.metadata()?.len();
    let file = Progress { bar: bar(path, length, bars), file };
    Ok(match magic.get(..known) {
        Some([0x1f, 0x8b, ..]) => {
            Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(1 << 18, file)))
        }
        Some([0x28, 0xb5, 0x2f, 0xfd]) => Box::new(zstd::Decoder::new(file)?),
        _ => Box::new(file),
    })
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// A bar on standard error, where a person watches and the file takes seconds.
fn bar(path: &Path, length: u64, bars: &MultiProgress) -> ProgressBar {
    if length < WORTH_A_BAR_BYTES || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = bars.add(ProgressBar::new(length));
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default());
    bar
}

struct Progress {
    bar: ProgressBar,
    file: File,
}

impl Read for Progress {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.bar.inc(read as u64);
        if read == 0 {
            self.bar.finish_and_clear();
        }
        Ok(read)
    }
}
