//! Unit tests of models: rows given, rows expected, as typed by a person.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::Located;
use super::load::place;
use super::pipeline::named;
use crate::diagnostic::{Diagnostic, Diagnostics, Place, code};
use crate::ident::NodeName;
use crate::query::{SOURCES_SCHEMA, TableName};
use crate::spec::{Document, ModelsSpec, Spec, UnitTestSpec};

/// One unit test.
#[derive(Debug, Clone)]
pub struct UnitTest {
    /// What it shows.
    pub name: String,
    /// Where it is declared.
    pub place: Place,
    /// The model under test.
    pub model: Located<NodeName>,
    /// The day or instant looked from, if not the pipeline's.
    pub as_of: Option<Located<String>>,
    /// Parameters other than the pipeline's, as text.
    pub variables: BTreeMap<String, String>,
    /// Rows of inputs; an input left out is empty.
    pub given: BTreeMap<TableName, Located<Rows>>,
    /// The rows that come out, in the contract's order.
    pub expect: Located<Rows>,
    /// Which rows are compared, for each column the values that count; all rows where it is empty.
    pub only: Rows,
}

/// Rows as typed.
pub type Rows = Vec<Vec<Cell>>;

/// One value of one column, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The column.
    pub column: String,
    /// The value's text, or none for null.
    pub text: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// Checks the names of a file's unit tests.
pub(super) fn check(spec: &Spec<ModelsSpec>, found: &mut Diagnostics) -> Vec<UnitTest> {
    let tests = spec.value.unit_tests.iter().enumerate();
    let checked = tests.filter_map(|(at, test)| {
        let pointer = format!("/unit_tests/{at}");
        one(&spec.document, &pointer, test, found)
    });
    checked.collect()
}

fn one(document: &Document, pointer: &str, spec: &UnitTestSpec, found: &mut Diagnostics) -> Option<UnitTest> {
    let model_place = place(document, &format!("{pointer}/model"));
    let model = found.keep(named(NodeName::parse(&spec.model), model_place.clone()))?;
    let mut given = BTreeMap::new();
    for (at, input) in spec.given.iter().enumerate() {
        let pointer = format!("{pointer}/given/{at}");
        let place = place(document, &format!("{pointer}/input"));
        let Some(table) = table_name(&input.input) else {
            let message = format!("`{}` is no input: write `orders` or `sources.orders`", input.input);
            found.push(Diagnostic::error(code::BAD_UNIT_TEST, message).at(place));
            continue;
        };
        let rows = rows(document, &format!("{pointer}/rows"), &input.rows);
        given.insert(table, Located { value: rows, place });
    }
    let variable = |(name, value): (&String, &Json)| {
        (name.clone(), text(document, &format!("{pointer}/vars/{name}"), value).unwrap_or_default())
    };
    let expect_pointer = format!("{pointer}/expect/rows");
    Some(UnitTest {
        name: spec.name.clone(),
        place: place(document, &format!("{pointer}/name")),
        model: Located { value: model, place: model_place },
        as_of: spec.as_of.clone().map(|value| {
            let place = place(document, &format!("{pointer}/as_of"));
            Located { value, place }
        }),
        variables: spec.vars.iter().map(variable).collect(),
        given,
        expect: Located {
            value: rows(document, &expect_pointer, &spec.expect.rows),
            place: place(document, &format!("{pointer}/name")),
        },
        only: only(document, &format!("{pointer}/expect/only"), &spec.expect.only),
    })
}

fn only(document: &Document, pointer: &str, only: &IndexMap<String, Vec<Json>>) -> Rows {
    let cells = |(column, values): (&String, &Vec<Json>)| {
        let cell =
            |(at, value): (usize, &Json)| cell(document, &format!("{pointer}/{column}/{at}"), column, value);
        values.iter().enumerate().map(cell).collect()
    };
    only.iter().map(cells).collect()
}

fn cell(document: &Document, pointer: &str, column: &str, value: &Json) -> Cell {
    let text = text(document, pointer, value);
    Cell { column: column.to_owned(), text, place: place(document, pointer) }
}

fn table_name(text: &str) -> Option<TableName> {
    match text.split_once('.') {
        None => NodeName::parse(text).ok().map(TableName::Bare),
        Some((schema, name)) if schema == SOURCES_SCHEMA => NodeName::parse(name).ok().map(TableName::Source),
        Some(_) => None,
    }
}

fn rows(document: &Document, pointer: &str, rows: &[IndexMap<String, Json>]) -> Rows {
    let row = |(at, row): (usize, &IndexMap<String, Json>)| {
        let cell = |(column, value): (&String, &Json)| {
            cell(document, &format!("{pointer}/{at}/{column}"), column, value)
        };
        row.iter().map(cell).collect()
    };
    rows.iter().enumerate().map(row).collect()
}

fn text(document: &Document, pointer: &str, value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(document.text(pointer).map_or_else(|| other.to_string(), str::to_owned)),
    }
}
