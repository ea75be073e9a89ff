//! Extremes of a column: shortened so that they stay true, and as Delta readers want them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ColumnStatistics, FileEntry, TableContract, TableType};
use crate::value::Value;

/// What is known of the values in one file, by column.
///
/// Commits share it: it is most of what they hold, and never changes. The files of a chunk share the
/// columns' names.
#[derive(Debug, Clone, Default)]
pub struct FileStatistics {
    /// Sorted, each once.
    names: Arc<[String]>,
    /// As many as there are names; `None` if nothing is known of the column.
    known: Arc<[Option<ColumnStatistics>]>,
}

impl FileStatistics {
    /// What is `known` of the columns of these names, in their order; `None` if the names are not sorted or
    /// are not as many.
    pub(super) fn of(names: &Arc<[String]>, known: Vec<Option<ColumnStatistics>>) -> Option<Self> {
        let is_sound = names.is_sorted_by(|one, next| one < next) && names.len() == known.len();
        is_sound.then(|| Self { names: Arc::clone(names), known: known.into() })
    }

    /// What is known of a column.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&ColumnStatistics> {
        self.known.get(self.place(column)?)?.as_ref()
    }

    /// The columns something is known of, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ColumnStatistics)> {
        let names = self.names.iter().map(String::as_str);
        names.zip(self.known.iter()).filter_map(|(name, known)| Some((name, known.as_ref()?)))
    }

    /// Forgets the least and the greatest value of a column.
    pub(super) fn drop_extremes(&mut self, column: &str) {
        let is_known = |known: &ColumnStatistics| known.min.is_some() || known.max.is_some();
        if self.get(column).is_some_and(is_known)
            && let Some(place) = self.place(column)
            && let Some(Some(known)) = Arc::make_mut(&mut self.known).get_mut(place)
        {
            (known.min, known.max) = (None, None);
        }
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.names.binary_search_by(|name| name.as_str().cmp(column)).ok()
    }
}

impl PartialEq for FileStatistics {
    fn eq(&self, other: &Self) -> bool {
        let is_same = Arc::ptr_eq(&self.names, &other.names) && Arc::ptr_eq(&self.known, &other.known);
        is_same || self.iter().eq(other.iter())
    }
}

impl Eq for FileStatistics {}

impl FromIterator<(String, ColumnStatistics)> for FileStatistics {
    fn from_iter<I: IntoIterator<Item = (String, ColumnStatistics)>>(columns: I) -> Self {
        let columns: BTreeMap<String, ColumnStatistics> = columns.into_iter().collect();
        let (names, known): (Vec<_>, Vec<_>) =
            columns.into_iter().map(|(name, known)| (name, Some(known))).unzip();
        Self { names: names.into(), known: known.into() }
    }
}

impl Serialize for FileStatistics {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for FileStatistics {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(from).map(Self::from_iter)
    }
}

/// The longest text kept of an extreme, in characters.
const LONGEST: usize = 32;

impl ColumnStatistics {
    /// Keeps extremes and the number of missing values; long texts are shortened, the least one
    /// downwards and the greatest one upwards, in the order of their UTF-8 bytes.
    #[must_use]
    pub fn new(min: Option<&Value>, max: Option<&Value>, null_count: u64) -> Self {
        let min = min.map(|value| match value {
            Value::String(text) => text.chars().take(LONGEST).collect(),
            value => value.to_string(),
        });
        let max = max.and_then(|value| match value {
            Value::String(text) => shorten_up(text),
            value => Some(value.to_string()),
        });
        Self { min, max, null_count }
    }
}

/// The shortest text of at most [`LONGEST`] characters not less than `text`, if there is one.
fn shorten_up(text: &str) -> Option<String> {
    let mut kept: Vec<char> = text.chars().take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_none() {
        return Some(kept.into_iter().collect());
    }
    while let Some(last) = kept.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            kept.push(next);
            return Some(kept.into_iter().collect());
        }
    }
    None
}

/// The statistics of a file as Delta logs hold them: a text of JSON.
///
/// Put together as text because decimals are JSON numbers of up to 38 digits, which pass
/// through no number type here.
pub(super) fn delta_json(contract: &TableContract, file: &FileEntry) -> String {
    let (mut min, mut max, mut nulls) = (Vec::new(), Vec::new(), Vec::new());
    for column in contract.columns.iter().filter(|column| !column.pii) {
        let Some(statistics) = file.columns.get(&column.name) else { continue };
        let name = quoted(&column.name);
        nulls.push(format!("{name}:{}", statistics.null_count));
        let add = |to: &mut Vec<String>, text: &Option<String>| {
            let value = text.as_deref().and_then(|text| literal(column.data_type, text));
            to.extend(value.map(|value| format!("{name}:{value}")));
        };
        add(&mut min, &statistics.min);
        add(&mut max, &statistics.max);
    }
    format!(
        "{{\"numRecords\":{},\"minValues\":{{{}}},\"maxValues\":{{{}}},\"nullCount\":{{{}}}}}",
        file.rows,
        min.join(","),
        max.join(","),
        nulls.join(",")
    )
}

/// `text` as the JSON a Delta reader wants for an extreme of that type; none for booleans, and
/// none for a text that would not be a JSON number where one is needed.
fn literal(data_type: TableType, text: &str) -> Option<String> {
    match data_type {
        TableType::Boolean => None,
        TableType::Varchar | TableType::Date | TableType::Timestamp => Some(quoted(text)),
        TableType::Smallint
        | TableType::Integer
        | TableType::Bigint
        | TableType::Double
        | TableType::Decimal { .. } => {
            let number = serde_json::from_str::<serde_json::Number>(text).is_ok();
            number.then(|| text.to_owned())
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn a_long_text_is_shortened_so_that_it_stays_an_extreme() {
        let long = "é".repeat(40);
        let kept = ColumnStatistics::new(Some(&text(&long)), Some(&text(&long)), 0);
        let (min, max) = (kept.min.unwrap(), kept.max.unwrap());
        assert_eq!(min, "é".repeat(32));
        assert_eq!(max, format!("{}ê", "é".repeat(31)));
        assert!(min.as_bytes() <= long.as_bytes() && long.as_bytes() <= max.as_bytes());
    }

    #[test]
    fn the_last_character_carries_over_and_surrogates_are_jumped() {
        let top = format!("a{}", "\u{10FFFF}".repeat(40));
        assert_eq!(shorten_up(&top).unwrap(), "b");
        assert_eq!(shorten_up(&"\u{10FFFF}".repeat(33)), None);
        let before_gap = format!("{}x", "\u{D7FF}".repeat(32));
        assert!(shorten_up(&before_gap).unwrap().ends_with('\u{E000}'));
        assert_eq!(shorten_up("short").unwrap(), "short");
    }

    #[test]
    fn numbers_keep_all_their_digits_and_nothing_else_passes_for_one() {
        let decimal = TableType::Decimal { precision: 38, scale: 2 };
        let digits = "123456789012345678901234567890123456.78";
        assert_eq!(literal(decimal, digits).unwrap(), digits);
        assert_eq!(literal(TableType::Double, "inf"), None);
        assert_eq!(literal(TableType::Bigint, "1\"}"), None);
        assert_eq!(literal(TableType::Varchar, "a\"b").unwrap(), r#""a\"b""#);
        assert_eq!(literal(TableType::Boolean, "true"), None);
    }
}
