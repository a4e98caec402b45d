//! Columns of numbers that nearly always fit 32 bits: four bytes a row, and a side table for the rest.

/// A column of 64-bit numbers in 32 bits a row. The few that do not fit stand in a table sorted by row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Column {
    low: Vec<u32>,
    high: Vec<(u32, u64)>,
}

/// Marks a row whose value stands in the side table.
const WIDE: u32 = u32::MAX;

/// Makes room for so many more, if they do not fit, by `step` at a time: doubling would take up to twice the memory.
pub(crate) fn make_room<T>(rows: &mut Vec<T>, more: usize, step: usize) {
    if rows.capacity() - rows.len() < more {
        rows.reserve_exact(more.max(step));
    }
}

impl Column {
    pub(crate) fn with_len(len: usize) -> Self {
        Self { low: vec![0; len], high: Vec::new() }
    }

    pub(crate) fn make_room(&mut self, rows: usize, step: usize) {
        make_room(&mut self.low, rows, step);
    }

    pub(crate) fn len(&self) -> usize {
        self.low.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, value: u64) {
        match u32::try_from(value) {
            Ok(narrow) if narrow != WIDE => self.low.push(narrow),
            _ => {
                self.high.push((row_number(self.low.len()), value));
                self.low.push(WIDE);
            }
        }
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> u64 {
        match self.low[row] {
            WIDE => self.wide(row),
            narrow => u64::from(narrow),
        }
    }

    pub(crate) fn set(&mut self, row: usize, value: u64) {
        let at = self.high.binary_search_by_key(&row_number(row), |&(row, _)| row);
        match (u32::try_from(value), at) {
            (Ok(narrow), found) if narrow != WIDE => {
                self.low[row] = narrow;
                if let Ok(found) = found {
                    self.high.remove(found);
                }
            }
            (_, Ok(found)) => self.high[found].1 = value,
            (_, Err(insert_at)) => {
                self.high.insert(insert_at, (row_number(row), value));
                self.low[row] = WIDE;
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.len()).map(|row| self.get(row))
    }

    #[cold]
    fn wide(&self, row: usize) -> u64 {
        let at = self.high.binary_search_by_key(&row_number(row), |&(row, _)| row);
        at.map_or(u64::from(WIDE), |found| self.high[found].1)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "graphs are refused beyond u32::MAX rows")]
fn row_number(row: usize) -> u32 {
    row as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_column_is_a_vector(
            values in proptest::collection::vec(prop_oneof![any::<u64>(), 0u64..10, Just(u64::from(WIDE))], 0..40),
            writes in proptest::collection::vec((0usize..40, any::<u64>(), any::<bool>()), 0..20),
        ) {
            let mut column = Column::default();
            let mut model = values.clone();
            for &value in &values {
                column.push(value);
            }
            for (row, value, small) in writes {
                if row < model.len() {
                    let value = if small { value % 100 } else { value };
                    column.set(row, value);
                    model[row] = value;
                }
            }
            prop_assert_eq!(column.iter().collect::<Vec<_>>(), model);
        }
    }
}
