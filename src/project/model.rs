//! From the contracts and SQL of one folder to [`Model`]s whose names and types are checked.

use std::collections::{BTreeMap, BTreeSet};

use super::audit;
use super::contract::{Column, ColumnType, Contract, Nullability, Privacy};
use super::load::place;
use super::movement;
use super::pipeline::named;
use super::timing;
use super::{Located, Materialization, Model, SNAPSHOT_DAY, Visibility};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, SourceFile, code, nearest};
use crate::ident::NodeName;
use crate::query::{Query, SOURCES_SCHEMA};
use crate::spec::{ColumnSpec, Document, Materialized, ModelSpec, ModelsSpec, Spec};

/// What was read of one folder under `sql/`.
#[derive(Debug)]
pub(super) struct Folder {
    /// Its path under `sql/`.
    pub(super) name: String,
    /// Its SQL files by model name, also those that could not be parsed.
    pub(super) files: BTreeMap<String, SourceFile>,
    /// The SQL that could be parsed, by model name.
    pub(super) queries: BTreeMap<String, Query>,
    /// Its contract files.
    pub(super) specs: Vec<Spec<ModelsSpec>>,
    /// Whether some contracts could not be read, so that nobody knows which models have none.
    pub(super) unread: bool,
}

impl Folder {
    /// A folder of which nothing was read yet.
    pub(super) fn named(name: &str) -> Self {
        let (files, queries) = (BTreeMap::new(), BTreeMap::new());
        Self { name: name.to_owned(), files, queries, specs: Vec::new(), unread: false }
    }
}

/// Pairs every SQL file with its contract and checks both.
pub(super) fn check_folder(folder: &Folder, found: &mut Diagnostics) -> Vec<Model> {
    let mut described = BTreeSet::new();
    let mut unread = folder.unread;
    let mut models = Vec::new();
    for spec in &folder.specs {
        for (at, model) in spec.value.models.iter().enumerate() {
            let pointer = format!("/models/{at}");
            let name_place = place(&spec.document, &format!("{pointer}/name"));
            let Some(name) = found.keep(named(NodeName::parse(&model.name), name_place.clone())) else {
                unread = true;
                continue;
            };
            if !described.insert(model.name.clone()) {
                let message = format!("model `{}` is described twice", model.name);
                let twice = Diagnostic::error(code::DUPLICATE_NAME, message);
                found.push(twice.at(name_place));
                continue;
            }
            if let Some(query) = query_of(folder, &name, name_place, found) {
                let written = Written { document: &spec.document, pointer: &pointer, spec: model };
                models.extend(check(folder, written, name, query, found));
            }
        }
    }
    if !unread {
        without_contract(folder, &described, found);
    }
    models
}

fn query_of<'a>(
    folder: &'a Folder,
    name: &NodeName,
    place: Place,
    found: &mut Diagnostics,
) -> Option<&'a Query> {
    let query = folder.queries.get(name.as_str());
    if query.is_none() && !folder.files.contains_key(name.as_str()) {
        let message = format!("there is no `sql/{}/{name}.sql`", folder.name);
        let missing = Diagnostic::error(code::CONTRACT_WITHOUT_MODEL, message).at(place);
        let near = nearest(name.as_str(), folder.files.keys().map(String::as_str));
        found.push(match near {
            Some(near) => missing.label(format!("did you mean `{near}`?")),
            None => missing.help("write the SELECT, or remove the contract"),
        });
    }
    query
}

fn without_contract(folder: &Folder, described: &BTreeSet<String>, found: &mut Diagnostics) {
    for (name, file) in &folder.files {
        if !described.contains(name) {
            let message = format!("model `{name}` has no contract");
            let missing = Diagnostic::error(code::MODEL_WITHOUT_CONTRACT, message);
            let help = format!("describe it under `models:` in a YAML file of `sql/{}`", folder.name);
            found.push(missing.at(file.place(0..0)).help(help));
        }
    }
}

/// A model as its contract's file describes it.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) document: &'a Document,
    pub(super) pointer: &'a str,
    pub(super) spec: &'a ModelSpec,
}

fn check(
    folder: &Folder,
    written: Written<'_>,
    name: NodeName,
    query: &Query,
    found: &mut Diagnostics,
) -> Option<Model> {
    let Written { document, pointer, spec } = written;
    let contract = contract(document, pointer, spec, found)?;
    let audits = audit::of_model(written, &name, &contract, found);
    let movement = movement::of_model(written, &contract, found);
    let materialization = match spec.config.materialized {
        Materialized::Table => Materialization::Table,
        Materialized::View => Materialization::View,
        Materialized::Snapshot => Materialization::Snapshot,
        Materialized::Incremental => Materialization::Incremental,
    };
    match materialization {
        Materialization::Snapshot => check_snapshot(written, &contract, found),
        Materialization::Table | Materialization::View if spec.config.keep.is_some() => {
            let place = place(document, &format!("{pointer}/config/keep"));
            let message = format!("`{name}` keeps no snapshots or intervals, so `keep` says nothing");
            let wrong = Diagnostic::error(code::WRONG_VALUE, message).at(place);
            found.push(wrong.help("take it out, or write `materialized: snapshot`"));
        }
        Materialization::Table | Materialization::View | Materialization::Incremental => {}
    }
    let (timing, incremental) = timing::of_model(written, &contract, found);
    let column_place = |at: usize| place(document, &format!("{pointer}/columns/{at}/name"));
    Some(Model {
        name,
        folder: folder.name.clone(),
        query: query.clone(),
        contract,
        place: place(document, &format!("{pointer}/name")),
        column_places: (0..spec.columns.len()).map(column_place).collect(),
        materialization,
        keep_days: spec.config.keep.map(|keep| keep.days),
        timing,
        incremental,
        visibility: Visibility::Internal,
        named: None,
        tags: spec.config.tags.clone(),
        requires: requires(written, found),
        audits,
        movement,
    })
}

/// A snapshot's rows say in their grain which day they look from.
fn check_snapshot(written: Written<'_>, contract: &Contract, found: &mut Diagnostics) {
    let day = contract.column(SNAPSHOT_DAY);
    if contract.grain.iter().any(|column| column == SNAPSHOT_DAY)
        && day.is_some_and(|column| column.data_type == ColumnType::Date)
    {
        return;
    }
    let place = place(written.document, &format!("{}/config/materialized", written.pointer));
    let message = format!("the grain of snapshot `{}` has no day `{SNAPSHOT_DAY}`", written.spec.name);
    let wrong = Diagnostic::error(code::WRONG_VALUE, message).at(place);
    found.push(wrong.help(format!(
        "select `$as_of_day as {SNAPSHOT_DAY}`, a column of type date, and name it in `grain`"
    )));
}

/// The sources a model names under `requires`.
fn requires(written: Written<'_>, found: &mut Diagnostics) -> Vec<Located<NodeName>> {
    let Written { document, pointer, spec } = written;
    let mut required = Vec::new();
    for (at, text) in spec.config.requires.iter().enumerate() {
        let place = place(document, &format!("{pointer}/config/requires/{at}"));
        let bare = text.strip_prefix(SOURCES_SCHEMA).and_then(|rest| rest.strip_prefix('.'));
        let name = named(NodeName::parse(bare.unwrap_or(text)), place.clone());
        required.extend(found.keep(name).map(|value| Located { value, place }));
    }
    required
}

fn contract(
    document: &Document,
    pointer: &str,
    spec: &ModelSpec,
    found: &mut Diagnostics,
) -> Option<Contract> {
    let mut columns: Vec<Column> = Vec::new();
    for (at, written) in spec.columns.iter().enumerate() {
        let pointer = format!("{pointer}/columns/{at}");
        if columns.iter().any(|column| column.name == written.name) {
            let message = format!("column `{}` stands twice in the contract", written.name);
            let twice = Diagnostic::error(code::DUPLICATE_NAME, message);
            found.push(twice.at(place(document, &format!("{pointer}/name"))));
        }
        columns.extend(column(document, &pointer, written, &spec.grain, found));
    }
    let known = |list: &[String], key: &str, found: &mut Diagnostics| {
        for (at, name) in list.iter().enumerate() {
            if !spec.columns.iter().any(|column| column.name == *name) {
                let message = format!("`{key}` names `{name}`, which is no column of the contract");
                let place = place(document, &format!("{pointer}/{key}/{at}"));
                found.push(Diagnostic::error(code::UNKNOWN_COLUMN, message).at(place));
            }
        }
    };
    known(&spec.grain, "grain", found);
    if let Some(order_by) = &spec.order_by {
        known(order_by, "order_by", found);
    }
    let order_by = spec.order_by.clone().unwrap_or_else(|| spec.grain.clone());
    let complete = columns.len() == spec.columns.len();
    let (description, grain) = (spec.description.clone(), spec.grain.clone());
    complete.then_some(Contract { description, columns, grain, order_by })
}

fn column(
    document: &Document,
    pointer: &str,
    spec: &ColumnSpec,
    grain: &[String],
    found: &mut Diagnostics,
) -> Option<Column> {
    let data_type = ColumnType::parse(&spec.data_type).map_err(|cause| {
        let place = place(document, &format!("{pointer}/data_type"));
        Diagnostics::from(Diagnostic::error(code::UNKNOWN_TYPE, cause.to_string()).at(place))
    });
    let data_type = found.keep(data_type)?;
    let in_grain = grain.contains(&spec.name);
    let nullable = spec.nullable.unwrap_or(!in_grain);
    Some(Column {
        name: spec.name.clone(),
        data_type,
        nullable: if nullable { Nullability::Nullable } else { Nullability::Required },
        privacy: if spec.pii { Privacy::Personal } else { Privacy::Public },
        description: spec.description.clone(),
    })
}
