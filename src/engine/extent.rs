//! Between which values a column of a Parquet file lies, as its footer says.

use arrow::datatypes::{DataType, TimeUnit};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::statistics::Statistics;

use super::reader::FileMetadata;

/// The bounds of a column's values in one file: nothing in it is less or more; values may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// Instants, in microseconds since 1970 UTC.
    Times(i64, i64),
    /// Days since 1970.
    Days(i64, i64),
    /// Whole numbers.
    Numbers(i64, i64),
    /// Texts, by their bytes.
    Texts(Vec<u8>, Vec<u8>),
}

impl Extent {
    /// Whether a value could lie between the bounds of both; `true` if they cannot be compared.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Times(min, max), Self::Times(other_min, other_max))
            | (Self::Days(min, max), Self::Days(other_min, other_max))
            | (Self::Numbers(min, max), Self::Numbers(other_min, other_max)) => {
                min <= other_max && other_min <= max
            }
            (Self::Texts(min, max), Self::Texts(other_min, other_max)) => {
                min <= other_max && other_min <= max
            }
            _ => true,
        }
    }
}

/// The extent of `column` in a file; `None` if its footer does not tell, for any of its row groups.
#[must_use]
pub fn extent(metadata: &FileMetadata, column: &str) -> Option<Extent> {
    let metadata = &metadata.0;
    let schema = metadata.file_metadata().schema_descr();
    let at = schema.columns().iter().position(|known| known.path().string() == column)?;
    let key_values = metadata.file_metadata().key_value_metadata();
    let arrow = parquet_to_arrow_schema(schema, key_values).ok()?;
    let data_type = arrow.field_with_name(column).ok()?.data_type().clone();
    let mut all: Option<Extent> = None;
    for group in metadata.row_groups().iter().filter(|group| group.num_rows() > 0) {
        let known = group.columns().get(at)?.statistics()?;
        let found = of_group(known, &data_type)?;
        all = Some(match all {
            None => found,
            Some(all) => joined(all, found)?,
        });
    }
    all
}

fn of_group(known: &Statistics, data_type: &DataType) -> Option<Extent> {
    let whole = |known: &Statistics| match known {
        Statistics::Int32(known) => Some((i64::from(*known.min_opt()?), i64::from(*known.max_opt()?))),
        Statistics::Int64(known) => Some((*known.min_opt()?, *known.max_opt()?)),
        _ => None,
    };
    match data_type {
        DataType::Date32 => whole(known).map(|(min, max)| Extent::Days(min, max)),
        DataType::Timestamp(unit, _) => {
            let (min, max) = whole(known)?;
            let per_second = match unit {
                TimeUnit::Second => 1_000_000,
                TimeUnit::Millisecond => 1_000,
                TimeUnit::Microsecond => 1,
                // A microsecond has a thousand of them.
                TimeUnit::Nanosecond => {
                    return Some(Extent::Times(min.div_euclid(1_000), max.div_euclid(1_000)));
                }
            };
            Some(Extent::Times(min.checked_mul(per_second)?, max.checked_mul(per_second)?))
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            whole(known).map(|(min, max)| Extent::Numbers(min, max))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => match known {
            // What is cut short is cut so that it still bounds.
            Statistics::ByteArray(known) => {
                Some(Extent::Texts(known.min_opt()?.data().to_vec(), known.max_opt()?.data().to_vec()))
            }
            _ => None,
        },
        _ => None,
    }
}

fn joined(all: Extent, more: Extent) -> Option<Extent> {
    Some(match (all, more) {
        (Extent::Times(min, max), Extent::Times(a, b)) => Extent::Times(min.min(a), max.max(b)),
        (Extent::Days(min, max), Extent::Days(a, b)) => Extent::Days(min.min(a), max.max(b)),
        (Extent::Numbers(min, max), Extent::Numbers(a, b)) => Extent::Numbers(min.min(a), max.max(b)),
        (Extent::Texts(min, max), Extent::Texts(a, b)) => Extent::Texts(min.min(a), max.max(b)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Extent;

    #[test]
    fn extents_meet_where_a_value_may_be_in_both() {
        assert!(Extent::Numbers(1, 5).meets(&Extent::Numbers(5, 9)));
        assert!(!Extent::Numbers(1, 5).meets(&Extent::Numbers(6, 9)));
        let text = |min: &str, max: &str| Extent::Texts(min.into(), max.into());
        assert!(!text("a", "b").meets(&text("c", "d")));
        assert!(text("a", "bz").meets(&text("b", "d")));
        // A number and a text may mean the same.
        assert!(Extent::Numbers(1, 5).meets(&text("6", "9")));
    }
}
