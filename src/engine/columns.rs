//! Sets of columns by position, small and quick to compare: proofs of keys ask millions of times.

/// Columns by their position.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Columns(Vec<u64>);

impl Columns {
    /// No column.
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a column.
    pub(super) fn insert(&mut self, column: usize) {
        let word = column / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= 1 << (column % 64);
        }
    }

    /// Adds all columns of `other`; says whether any was new.
    pub(super) fn absorb(&mut self, other: &Self) -> bool {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        let mut grew = false;
        for (bits, more) in self.0.iter_mut().zip(&other.0) {
            grew |= *more & !*bits != 0;
            *bits |= *more;
        }
        grew
    }

    /// Whether every column is in `other` too.
    pub(super) fn is_subset(&self, other: &Self) -> bool {
        let theirs = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(theirs).all(|(ours, theirs)| ours & !theirs == 0)
    }

    /// How many columns there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|bits| usize::try_from(bits.count_ones()).unwrap_or(64)).sum()
    }

    /// Whether there is no column.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    /// The columns, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let of_word = |(word, bits): (usize, &u64)| {
            let bits = *bits;
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit)
        };
        self.0.iter().enumerate().flat_map(of_word)
    }
}

impl Extend<usize> for Columns {
    fn extend<I: IntoIterator<Item = usize>>(&mut self, columns: I) {
        columns.into_iter().for_each(|column| self.insert(column));
    }
}

impl FromIterator<usize> for Columns {
    fn from_iter<I: IntoIterator<Item = usize>>(columns: I) -> Self {
        let mut set = Self::new();
        set.extend(columns);
        set
    }
}

impl<const N: usize> From<[usize; N]> for Columns {
    fn from(columns: [usize; N]) -> Self {
        columns.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Columns;

    #[test]
    fn a_set_knows_its_columns_across_words() {
        let set = Columns::from([200, 3, 64]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 64, 200]);
        assert_eq!(set.len(), 3);
        assert!(Columns::from([64]).is_subset(&set) && !set.is_subset(&Columns::from([64])));
        assert!(Columns::new().is_subset(&Columns::new()));
    }

    #[test]
    fn absorbing_says_whether_anything_was_new() {
        let mut set = Columns::from([1]);
        assert!(set.absorb(&Columns::from([70])));
        assert!(!set.absorb(&Columns::from([1, 70])));
    }
}
