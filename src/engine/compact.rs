//! Thrift's compact protocol, as Parquet's footers and page headers are written in, read without
//! trust: nothing is allocated, and what is claimed is counted before anybody believes it.
//!
//! `None` is the answer to everything malformed: which byte it was helps nobody.

/// A type of Thrift as its compact protocol numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(u8);

impl Kind {
    pub(super) const STOP: Self = Self(0);
    pub(super) const TRUE: Self = Self(1);
    pub(super) const FALSE: Self = Self(2);
    pub(super) const BYTE: Self = Self(3);
    pub(super) const I16: Self = Self(4);
    pub(super) const I32: Self = Self(5);
    pub(super) const I64: Self = Self(6);
    pub(super) const DOUBLE: Self = Self(7);
    pub(super) const BINARY: Self = Self(8);
    pub(super) const LIST: Self = Self(9);
    pub(super) const SET: Self = Self(10);
    pub(super) const MAP: Self = Self(11);
    pub(super) const STRUCT: Self = Self(12);
    pub(super) const UUID: Self = Self(13);
}

/// A field of a struct; its value follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) id: i16,
    pub(super) kind: Kind,
}

/// What comes next in a struct.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    /// A field.
    Field(Field),
    /// Nothing more.
    End,
}

/// How deep structs and lists may lie in each other: Parquet's own are eight deep.
const DEPTH: u8 = 32;
/// What a struct takes in memory once it is decoded, at least in part.
const STRUCT_COST: usize = 128;
/// What an element of a list takes.
const ELEMENT_COST: usize = 8;

/// Reads one value after the other.
pub(super) struct Compact<'a> {
    rest: &'a [u8],
    budget: usize,
}

impl<'a> Compact<'a> {
    /// Reads `bytes`; what they decode to must not take much more than `budget` bytes of memory.
    pub(super) const fn new(bytes: &'a [u8], budget: usize) -> Self {
        Self { rest: bytes, budget }
    }

    /// The bytes not yet read.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field of a struct whose field before was `last`.
    pub(super) fn field(&mut self, last: i16) -> Option<Next> {
        let head = self.byte()?;
        let kind = Kind(head & 0x0f);
        if kind == Kind::STOP {
            return Some(Next::End);
        }
        let id = match head >> 4 {
            0 => i16::try_from(self.integer()?).ok()?,
            delta => last.checked_add(i16::from(delta))?,
        };
        // Writers go upward; a field that comes twice would be read twice, and only one checked.
        (id > last).then_some(Next::Field(Field { id, kind }))
    }

    /// The kind and number of a list's elements; there are bytes enough for them.
    pub(super) fn list(&mut self) -> Option<(Kind, usize)> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => usize::try_from(self.varint()?).ok()?,
            short => usize::from(short),
        };
        (length <= self.rest.len()).then_some(())?;
        self.spend(length.checked_mul(ELEMENT_COST)?)?;
        Some((Kind(head & 0x0f), length))
    }

    /// A whole number of 16, 32 or 64 bits.
    pub(super) fn integer(&mut self) -> Option<i64> {
        let raw = self.varint()?;
        let half = i64::try_from(raw >> 1).ok()?;
        Some(if raw & 1 == 0 { half } else { !half })
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self, kind: Kind) -> Option<()> {
        self.skip_below(kind, DEPTH)
    }

    fn skip_below(&mut self, kind: Kind, depth: u8) -> Option<()> {
        let below = depth.checked_sub(1)?;
        match kind {
            Kind::TRUE | Kind::FALSE => Some(()),
            Kind::BYTE => self.take(1),
            Kind::I16 | Kind::I32 | Kind::I64 => self.varint().map(drop),
            Kind::DOUBLE => self.take(8),
            Kind::UUID => self.take(16),
            Kind::BINARY => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.spend(length)?;
                self.take(length)
            }
            Kind::LIST | Kind::SET => {
                let (kind, length) = self.list()?;
                (0..length).try_for_each(|_| self.skip_element(kind, below))
            }
            Kind::MAP => self.skip_map(below),
            Kind::STRUCT => {
                self.spend(STRUCT_COST)?;
                let mut last = 0;
                while let Next::Field(field) = self.field(last)? {
                    self.skip_below(field.kind, below)?;
                    last = field.id;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Truths are in the head of a field and in a byte of their own in a list.
    fn skip_element(&mut self, kind: Kind, depth: u8) -> Option<()> {
        match kind {
            Kind::TRUE | Kind::FALSE => self.take(1),
            other => self.skip_below(other, depth),
        }
    }

    fn skip_map(&mut self, depth: u8) -> Option<()> {
        let length = usize::try_from(self.varint()?).ok()?;
        if length == 0 {
            return Some(());
        }
        let kinds = self.byte()?;
        (length <= self.rest.len()).then_some(())?;
        self.spend(length.checked_mul(2 * ELEMENT_COST)?)?;
        (0..length).try_for_each(|_| {
            self.skip_element(Kind(kinds >> 4), depth)?;
            self.skip_element(Kind(kinds & 0x0f), depth)
        })
    }

    fn spend(&mut self, cost: usize) -> Option<()> {
        self.budget = self.budget.checked_sub(cost)?;
        Some(())
    }

    fn take(&mut self, length: usize) -> Option<()> {
        self.rest = self.rest.get(length..)?;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Compact, Kind};

    fn skips(bytes: &[u8], kind: Kind) -> bool {
        Compact::new(bytes, 1 << 10).skip(kind).is_some()
    }

    #[test]
    fn numbers_are_zigzag() {
        let number = |bytes: &[u8]| Compact::new(bytes, 0).integer();
        assert_eq!(number(&[0x00]), Some(0));
        assert_eq!(number(&[0x01]), Some(-1));
        assert_eq!(number(&[0x02]), Some(1));
        assert_eq!(number(&[0xac, 0x02]), Some(150));
        assert_eq!(number(&[0xff; 11]), None);
        assert_eq!(number(&[0x80]), None);
    }

    #[test]
    fn a_list_longer_than_what_follows_is_malformed() {
        assert!(skips(&[0x25, 0x02, 0x04], Kind::LIST));
        assert!(!skips(&[0x35, 0x02, 0x04], Kind::LIST));
        // Two thousand million structs.
        assert!(!skips(&[0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00], Kind::LIST));
    }

    #[test]
    fn what_would_take_more_than_its_budget_is_malformed() {
        let structs = |number: u8| [vec![0xfc, number], vec![0; usize::from(number)]].concat();
        assert!(skips(&structs(7), Kind::LIST));
        assert!(!skips(&structs(8), Kind::LIST));
    }

    #[test]
    fn lists_within_lists_end() {
        assert!(!skips(&[0x19; 1000], Kind::LIST));
    }

    #[test]
    fn fields_go_upward() {
        assert!(skips(&[0x15, 0x02, 0x15, 0x02, 0x00], Kind::STRUCT));
        assert!(!skips(&[0x15, 0x02, 0x05, 0x02, 0x02, 0x00], Kind::STRUCT));
    }
}
