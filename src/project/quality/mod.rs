//! The tables that tell of the sources: models of the program's own, in every pipeline whose
//! sources have contracts.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::model::Folder;
use crate::diagnostic::{Diagnostics, SourceFile};
use crate::query;
use crate::spec;

/// The rows that break a contract, as `sources.rejected_rows` and as a table.
pub const REJECTED_ROWS: &str = "rejected_rows";
/// The checks of the contracts, as `sources.source_quality` and as a table.
pub const SOURCE_QUALITY: &str = "source_quality";

/// The columns of what the program tells of the sources under `name`.
#[must_use]
pub fn relation(name: &str) -> Option<SchemaRef> {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let number = |name: &str, nullable| Field::new(name, DataType::Int64, nullable);
    let fields = match name {
        REJECTED_ROWS => {
            vec![text("source"), text("key"), text("rule"), text("column_name"), number("rows", false)]
        }
        SOURCE_QUALITY => vec![
            text("source"),
            text("check_name"),
            number("rows", false),
            number("failed", true),
            Field::new("share", DataType::Float64, true),
            text("status"),
        ],
        _ => return None,
    };
    Some(Schema::new(fields).into())
}

/// The models, as if they lay in a folder of the project.
pub(super) fn folder(found: &mut Diagnostics) -> Folder {
    let mut folder = Folder::named("quality");
    let sql = [
        (REJECTED_ROWS, include_str!("rejected_rows.sql")),
        (SOURCE_QUALITY, include_str!("source_quality.sql")),
    ];
    for (name, text) in sql {
        let file = SourceFile::new(&format!("goodwill/quality/{name}.sql"), text);
        folder.files.insert(name.to_owned(), file.clone());
        folder.queries.extend(found.keep(query::parse(&file)).map(|query| (name.to_owned(), query)));
    }
    let file = SourceFile::new("goodwill/quality/quality.yml", include_str!("quality.yml"));
    folder.specs.extend(found.keep(spec::read(&file)));
    folder
}
