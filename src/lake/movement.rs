//! What of a table is told when two versions of it are compared.

use serde::{Deserialize, Serialize};

use super::Extra;

/// The business view of a table's change, as its project declared it when the table was built.
///
/// Kept in the commit so that whoever has only the root can ask; no byte of the table depends on it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TableMovement {
    /// The column whose values keys move between, or totals are told by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The column that is added up; without one, keys are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<String>,
    /// Columns over which nothing is added up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<String>,
    /// Who moves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// The date whose last day's rows alone count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// The column that is null in all rows that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub while_null: Option<String>,
    /// Fields a newer program wrote.
    #[serde(flatten)]
    pub extra: Extra,
}

impl TableMovement {
    /// Every column it looks at, each with the word it stands under.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let single = [
            ("column", &self.column),
            ("total", &self.total),
            ("latest", &self.latest),
            ("while_null", &self.while_null),
        ];
        let single = single.into_iter().filter_map(|(word, column)| Some((word, column.as_deref()?)));
        let per = self.per.iter().map(|column| ("per", column.as_str()));
        single.chain(per).chain(self.key.iter().map(|column| ("key", column.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_program_adds_is_kept_and_what_is_not_said_is_not_written() {
        let text = r#"{"column":"tier","key":["customer_id"],"a_later_field":7}"#;
        let movement: TableMovement = serde_json::from_str(text).unwrap();
        assert_eq!(movement.column.as_deref(), Some("tier"));
        assert_eq!(serde_json::to_string(&movement).unwrap(), text);
        assert_eq!(movement.columns().collect::<Vec<_>>(), [("column", "tier"), ("key", "customer_id")]);
    }
}
