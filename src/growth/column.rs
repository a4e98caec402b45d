//! A column of numbers in few bytes, to the last bit: what a target's floors take between two polls.
//!
//! Floors are whole numbers of bytes, and neighbours are near each other: what the next one differs by, without the zeros
//! that all of them end in, takes one to three bytes. Whatever is no whole number is taken by its bits.

use std::collections::VecDeque;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// At most `MOST` numbers, unpacked.
pub(super) struct Column<const MOST: usize>(pub(super) VecDeque<f32>);

/// Says in place of the number of zeros that the numbers are bits.
const BITS: u8 = 255;
/// Whole numbers of this size and above are taken by their bits: differences below cannot overflow.
const LARGEST: f32 = 4.6e18;

impl Column<0> {
    /// Packs numbers; any NaN comes back as one and the same.
    pub(super) fn pack(numbers: impl Iterator<Item = f32> + Clone) -> Vec<u8> {
        let mut packed = Vec::with_capacity(128);
        let form = Form::of(numbers.clone());
        packed.push(form.first_byte());
        let mut before = 0;
        for number in numbers {
            if number.is_nan() {
                packed.push(0);
                continue;
            }
            let next = form.whole(number);
            // Zero stands for NaN, so the differences begin with one.
            let change = next.wrapping_sub(std::mem::replace(&mut before, next));
            put(&mut packed, zigzag(change).wrapping_add(1));
        }
        packed
    }
}

impl<const MOST: usize> Column<MOST> {
    /// Unpacks; `None` where the bytes are not those of [`Column::pack`], or of too many numbers.
    fn unpack(packed: &[u8]) -> Option<Self> {
        let (first, mut rest) = packed.split_first()?;
        let form = Form::from_first_byte(*first)?;
        // Exactly as many as there can be: a queue that grows by itself takes room for 64.
        let mut numbers = VecDeque::new();
        numbers.reserve_exact(if rest.is_empty() { 0 } else { MOST });
        let mut before = 0i64;
        while !rest.is_empty() {
            let read = take(&mut rest)?;
            let number = if read == 0 {
                f32::NAN
            } else {
                before = before.wrapping_add(unzigzag(read.wrapping_sub(1)));
                form.number(before)?
            };
            if numbers.len() == MOST {
                return None;
            }
            numbers.push_back(number);
        }
        Some(Self(numbers))
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Column<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Packed<const MOST: usize>;
        impl<const MOST: usize> Visitor<'_> for Packed<MOST> {
            type Value = Column<MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a packed column")
            }

            fn visit_bytes<E: Error>(self, packed: &[u8]) -> Result<Self::Value, E> {
                Column::unpack(packed).ok_or_else(|| E::custom("a damaged column"))
            }
        }
        deserializer.deserialize_bytes(Packed)
    }
}

/// How numbers become whole ones.
#[derive(Clone, Copy)]
enum Form {
    /// Whole numbers that all end in so many zero bits.
    Zeros(u32),
    /// Their bits.
    Bits,
}

impl Form {
    fn of(numbers: impl Iterator<Item = f32>) -> Self {
        let mut all = 0;
        for number in numbers.filter(|number| !number.is_nan()) {
            // Minus zero is no whole number here, or it would lose its sign.
            let is_whole = number.fract() == 0.0 && number.abs() < LARGEST && number.to_bits() != (-0.0f32).to_bits();
            if !is_whole {
                return Self::Bits;
            }
            all |= whole(number);
        }
        Self::Zeros(if all == 0 { 0 } else { all.trailing_zeros() })
    }

    fn first_byte(self) -> u8 {
        match self {
            Self::Zeros(zeros) => zeros.to_le_bytes()[0],
            Self::Bits => BITS,
        }
    }

    fn from_first_byte(byte: u8) -> Option<Self> {
        match byte {
            BITS => Some(Self::Bits),
            zeros if zeros < 64 => Some(Self::Zeros(zeros.into())),
            _ => None,
        }
    }

    fn whole(self, number: f32) -> i64 {
        match self {
            Self::Zeros(zeros) => whole(number) >> zeros,
            Self::Bits => number.to_bits().into(),
        }
    }

    fn number(self, whole: i64) -> Option<f32> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "it was a number of single precision")]
            Self::Zeros(zeros) => Some(whole.wrapping_shl(zeros) as f32),
            Self::Bits => u32::try_from(whole).ok().map(f32::from_bits),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is whole, and below LARGEST")]
fn whole(number: f32) -> i64 {
    number as i64
}

/// Seven bits a byte, the highest bit says that more follow.
fn put(packed: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        packed.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    packed.push(value.to_le_bytes()[0]);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, others) = rest.split_first()?;
        *rest = others;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Small numbers of either sign become small numbers.
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(numbers: impl IntoIterator<Item = f32>) -> Vec<u32> {
        numbers.into_iter().map(|number| if number.is_nan() { u32::MAX } else { number.to_bits() }).collect()
    }

    fn check(numbers: &[f32]) {
        let packed = Column::pack(numbers.iter().copied());
        let unpacked = Column::<48>::unpack(&packed).unwrap().0;
        assert_eq!(bits(unpacked), bits(numbers.iter().copied()), "{numbers:?}");
    }

    #[test]
    fn extremes_come_back_to_the_last_bit() {
        check(&[]);
        check(&[0.0, -0.0, 1.5, f32::NAN, f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::INFINITY]);
        check(&[4.5e18, -4.5e18, 4.5e18, f32::NAN]);
        check(&[1e30, -1e30]);
        check(&[f32::NAN; 48]);
    }

    #[test]
    fn floors_of_a_heap_take_three_bytes_and_level_ones_one() {
        let of_heap = [7u16, 3_911, 1_830, 3_749].repeat(12).into_iter().map(|of| 80_000_000.0 + f32::from(of) * 100.0);
        let packed = Column::pack(of_heap);
        assert!(packed.len() <= 48 * 3 + 2, "{}", packed.len());
        assert!(Column::pack([2_097_152.0; 48].into_iter()).len() <= 50);
    }

    proptest! {
        #[test]
        fn any_number_comes_back_to_the_last_bit(numbers in proptest::collection::vec(any::<f32>(), 0..48)) {
            check(&numbers);
        }

        #[test]
        fn whole_numbers_do_too(numbers in proptest::collection::vec(any::<i32>().prop_map(|n| n as f32 * 4096.0), 0..48)) {
            check(&numbers);
        }

        #[test]
        fn byte_soup_is_refused_and_never_more_than_there_may_be(soup in proptest::collection::vec(any::<u8>(), 0..200)) {
            let unpacked = Column::<48>::unpack(&soup);
            prop_assert!(unpacked.is_none_or(|column| column.0.len() <= 48));
        }
    }
}
