//! Turns the digits of a table into rows of numbers, however the bytes are cut.

use super::error::{FormatError, Problem};
use super::header::MAX_FIELDS;

/// One row; only as many entries as the table has fields mean something.
pub(crate) type Row = [u64; MAX_FIELDS];

/// Collects numbers into rows of a fixed length.
#[derive(Debug)]
pub(crate) struct Rows {
    table: &'static str,
    fields: usize,
    row: Row,
    filled: usize,
    number: u64,
    state: State,
    /// Whole rows so far.
    pub(crate) count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// After the opening bracket or a comma.
    Expecting,
    /// Within a number.
    Digits,
    /// After a number and white space.
    Ended,
}

/// Above this one more digit might overflow.
const LAST_SAFE: u64 = u64::MAX / 10 - 1;

impl Rows {
    pub(crate) fn new(table: &'static str, fields: usize) -> Self {
        Self { table, fields, row: [0; MAX_FIELDS], filled: 0, number: 0, state: State::Expecting, count: 0 }
    }

    /// Takes a run of bytes that begins at `offset` of the document and gives each whole row to `take`.
    #[inline]
    pub(crate) fn feed(
        &mut self,
        run: &[u8],
        offset: u64,
        mut take: impl FnMut(&Row) -> Result<(), Problem>,
    ) -> Result<(), FormatError> {
        let mut at = 0;
        while let Some(rest) = run.get(at..).filter(|rest| !rest.is_empty()) {
            if self.state == State::Expecting && self.filled == 0 {
                at += self.feed_rows(rest, offset + at as u64, &mut take)?;
            }
            let rest = run.get(at..).unwrap_or_default();
            at += self.feed_bytes(rest, offset + at as u64, &mut take)?;
        }
        Ok(())
    }

    /// Takes whole rows as V8 writes them, a word of digits at a time; stops, however long the run, before the first
    /// row that reads otherwise. Says how many bytes these were.
    #[inline]
    fn feed_rows(
        &mut self,
        run: &[u8],
        offset: u64,
        take: &mut impl FnMut(&Row) -> Result<(), Problem>,
    ) -> Result<usize, FormatError> {
        let mut row: Row = [0; MAX_FIELDS];
        let fields = self.fields.min(MAX_FIELDS);
        let mut start = 0;
        loop {
            let mut at = start;
            for field in &mut row[..fields] {
                let Some((number, digits)) = leading_number(run, at) else { return Ok(start) };
                let Some(separator) = separator_length(run, at + digits) else { return Ok(start) };
                *field = number;
                at += digits + separator;
            }
            self.count += 1;
            take(&row).map_err(|problem| FormatError { offset: offset + at as u64 - 1, problem })?;
            start = at;
        }
    }

    /// Takes bytes one by one, up to and with the next that ends a row.
    fn feed_bytes(
        &mut self,
        run: &[u8],
        offset: u64,
        take: &mut impl FnMut(&Row) -> Result<(), Problem>,
    ) -> Result<usize, FormatError> {
        for (at, &byte) in run.iter().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            let fits = self.number <= LAST_SAFE && self.state != State::Ended;
            if digit < 10 && fits {
                self.number = self.number * 10 + u64::from(digit);
                self.state = State::Digits;
            } else if byte == b',' && self.state != State::Expecting {
                self.state = State::Expecting;
                let number = std::mem::take(&mut self.number);
                self.put(number, take).map_err(|problem| FormatError { offset: offset + at as u64, problem })?;
                if self.filled == 0 {
                    return Ok(at + 1);
                }
            } else if byte.is_ascii_whitespace() {
                self.state = if self.state == State::Digits { State::Ended } else { self.state };
            } else {
                let problem = Problem::Unexpected { byte, inside: self.table };
                return Err(FormatError { offset: offset + at as u64, problem });
            }
        }
        Ok(run.len())
    }

    /// Ends the table: the last number has no comma behind it, and no row may be open.
    pub(crate) fn finish(&mut self, mut take: impl FnMut(&Row) -> Result<(), Problem>) -> Result<(), Problem> {
        if self.state != State::Expecting {
            self.put(self.number, &mut take)?;
        } else if self.filled != 0 || self.count != 0 {
            return Err(Problem::Unexpected { byte: b']', inside: self.table });
        }
        if self.filled == 0 {
            return Ok(());
        }
        let (fields, filled) = (self.fields as u64, self.filled as u64);
        let announced = (self.count + 1).saturating_mul(fields);
        Err(Problem::CountMismatch { what: self.table, announced, found: self.count * fields + filled })
    }

    #[inline]
    fn put(&mut self, number: u64, take: &mut impl FnMut(&Row) -> Result<(), Problem>) -> Result<(), Problem> {
        self.row[self.filled] = number;
        self.filled += 1;
        if self.filled == self.fields {
            self.filled = 0;
            self.count += 1;
            take(&self.row)?;
        }
        Ok(())
    }
}

/// The number that stands at `at`, and how many digits it has; none where that is not plain to see within the run.
#[inline]
fn leading_number(run: &[u8], at: usize) -> Option<(u64, usize)> {
    // Types, flags and counts of edges: half of all numbers.
    if let [digit @ b'0'..=b'9', b',' | b'\n'] = run.get(at..at.checked_add(2)?)? {
        return Some((u64::from(digit - b'0'), 1));
    }
    let (high, digits) = up_to_eight_digits(run, at)?;
    if digits < WORD_BYTES {
        return if digits == 0 { None } else { Some((high, digits)) };
    }
    let (low, more) = up_to_eight_digits(run, at + WORD_BYTES)?;
    let scale = *POWERS_OF_TEN.get(more)?;
    Some((high * scale + low, WORD_BYTES + more))
}

const WORD_BYTES: usize = size_of::<u64>();
/// Of fewer than eight more digits, so that sixteen never overflow.
const POWERS_OF_TEN: [u64; WORD_BYTES] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// The digits at the beginning of the eight bytes at `at`, as a number, and how many there are: all at once, since the
/// length of numbers is hard to foresee. After D. Lemire, "Quickly parsing eight digits" (2018).
#[inline]
fn up_to_eight_digits(run: &[u8], at: usize) -> Option<(u64, usize)> {
    const LANES: u64 = 0x0101_0101_0101_0101;
    const ZERO: u64 = 0x30;
    let word = u64::from_le_bytes(run.get(at..at.checked_add(WORD_BYTES)?)?.try_into().ok()?);
    let values = word ^ (LANES * ZERO);
    // The high half of a byte is 0 for the values 0 to 9 only, also after 6 was added. A carry out of a byte that is
    // no digit may spoil what follows it, which is not looked at.
    let others = (values | values.wrapping_add(LANES * 6)) & (LANES * 0xf0);
    let digits = others.trailing_zeros() / u8::BITS;
    if digits == 0 {
        return Some((0, 0));
    }
    // Leading zeros take the place of the bytes behind the digits.
    let values = values << (u64::BITS - digits * u8::BITS);
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8);
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(1 + (100 << 16)) >> 16;
    let eight = (fours & 0x0000_ffff_0000_ffff).wrapping_mul(1 + (10_000 << 32)) >> 32;
    Some((eight, digits as usize))
}

/// The length of the comma behind a number, with the end of the line that V8 puts before it after each row.
#[inline]
fn separator_length(run: &[u8], at: usize) -> Option<usize> {
    match (run.get(at)?, run.get(at + 1)) {
        (b',', _) => Some(1),
        (b'\n', Some(b',')) => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows, or the offset of what is wrong with them, of a table that comes in pieces of this length.
    fn read(text: &[u8], fields: usize, piece: usize) -> Result<Vec<Vec<u64>>, u64> {
        let mut rows = Rows::new("nodes", fields);
        let mut found = Vec::new();
        let mut take = |row: &Row| {
            found.push(row[..fields].to_vec());
            Ok(())
        };
        for (number, part) in text.chunks(piece).enumerate() {
            rows.feed(part, (number * piece) as u64, &mut take).map_err(|error| error.offset)?;
        }
        rows.finish(&mut take).map_err(|_| u64::MAX)?;
        Ok(found)
    }

    #[test]
    fn numbers_of_every_length_are_read() {
        let numbers: Vec<u64> = (0..20).map(|digits| 12_345_678_901_234_567_890 / 10u64.pow(digits)).collect();
        let text: Vec<String> = numbers.iter().map(u64::to_string).collect();
        assert_eq!(
            read(text.join(",").as_bytes(), 20 / 2, 1 << 10),
            Ok(numbers.chunks(10).map(<[u64]>::to_vec).collect())
        );
        assert_eq!(read(b"1,2\n,3,4\n", 2, 1 << 10), Ok(vec![vec![1, 2], vec![3, 4]]));
    }

    proptest! {
        /// Cut into single bytes no word of digits is ever whole.
        #[test]
        fn words_of_digits_read_as_single_ones_do(text in "[0-9]{1,18}([,\n]{1,2}[0-9:]{1,21}){0,12}", fields in 1usize..5) {
            prop_assert_eq!(read(text.as_bytes(), fields, 1 << 10), read(text.as_bytes(), fields, 1));
        }
    }
}
