//! A set of row numbers, one bit each.

#[derive(Clone, Debug)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// The empty set of numbers below `len`.
    pub(crate) fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)] }
    }

    #[inline]
    pub(crate) fn has(&self, index: usize) -> bool {
        self.words[index / 64] >> (index % 64) & 1 != 0
    }

    #[inline]
    pub(crate) fn set(&mut self, index: usize) {
        self.words[index / 64] |= 1 << (index % 64);
    }

    /// Adds a number that is not there and removes one that is; true when it was added.
    pub(crate) fn toggle(&mut self, index: usize) -> bool {
        self.words[index / 64] ^= 1 << (index % 64);
        self.has(index)
    }

    /// Adds a number; true when it was not there.
    #[inline]
    pub(crate) fn insert(&mut self, index: usize) -> bool {
        let word = &mut self.words[index / 64];
        let bit = 1 << (index % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

/// A set whose members are numbered in order, so that a table may have rows for them alone.
#[derive(Debug)]
pub(crate) struct RankedBits {
    bits: Bits,
    /// Members before each word.
    before: Vec<u32>,
}

impl RankedBits {
    pub(crate) fn new(bits: Bits) -> Self {
        let mut count = 0u32;
        let add = |word: &u64| {
            let before = count;
            count += word.count_ones();
            before
        };
        let before = bits.words.iter().map(add).collect();
        Self { bits, before }
    }

    #[inline]
    pub(crate) fn has(&self, index: usize) -> bool {
        self.bits.has(index)
    }

    /// How many members are below `index`: for a member its number.
    #[inline]
    pub(crate) fn rank(&self, index: usize) -> usize {
        let below = self.bits.words[index / 64] & ((1 << (index % 64)) - 1);
        self.before[index / 64] as usize + below.count_ones() as usize
    }

    /// How many members there are.
    pub(crate) fn count(&self) -> usize {
        let last = self.before.len().checked_sub(1);
        last.map_or(0, |last| (self.before[last] + self.bits.words[last].count_ones()) as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn members_are_numbered_in_order(members in proptest::collection::btree_set(0usize..300, 0..120)) {
            let mut bits = Bits::new(300);
            for &member in &members {
                bits.set(member);
            }
            let ranked = RankedBits::new(bits);
            prop_assert_eq!(ranked.count(), members.len());
            for (number, &member) in members.iter().enumerate() {
                prop_assert!(ranked.has(member));
                prop_assert_eq!(ranked.rank(member), number);
            }
        }
    }
}
