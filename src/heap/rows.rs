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
        let (mut number, mut state) = (self.number, self.state);
        for (at, &byte) in run.iter().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            let fits = number <= LAST_SAFE && state != State::Ended;
            let step = if digit < 10 && fits {
                number = number * 10 + u64::from(digit);
                state = State::Digits;
                continue;
            } else if byte == b',' && state != State::Expecting {
                state = State::Expecting;
                self.put(std::mem::take(&mut number), &mut take)
            } else if byte.is_ascii_whitespace() {
                state = if state == State::Digits { State::Ended } else { state };
                continue;
            } else {
                Err(Problem::Unexpected { byte, inside: self.table })
            };
            step.map_err(|problem| FormatError { offset: offset + at as u64, problem })?;
        }
        (self.number, self.state) = (number, state);
        Ok(())
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
