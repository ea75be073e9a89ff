//! What is told of a table when two published versions of it are compared: the question is declared
//! beside the table, so that no table's name stands in the program.

use super::contract::{Column, ColumnType, Contract, Privacy};
use super::load::place;
use super::model::Written;
use crate::diagnostic::{Diagnostic, Diagnostics, Place, code, nearest};
use crate::spec::MovementSpec;

/// A declared movement, whose columns are those of its contract.
///
/// No byte of the table depends on it, so it is in no fingerprint: declaring one builds nothing again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// The column whose values keys move between, or totals are told by.
    pub column: Option<String>,
    /// The column that is added up; without one, keys are counted.
    pub total: Option<String>,
    /// Columns of the grain over which nothing may be added up.
    pub per: Vec<String>,
    /// Who moves.
    pub key: Vec<String>,
    /// The date of the grain whose last day's rows alone count.
    pub latest: Option<String>,
    /// The column that is null in all rows that count.
    pub while_null: Option<String>,
}

/// The movement a model declares, if it can be told.
pub(super) fn of_model(
    written: Written<'_>,
    contract: &Contract,
    found: &mut Diagnostics,
) -> Option<Movement> {
    let spec = written.spec.config.movement.as_ref()?;
    let mut judge = Judge { written, contract, found: Diagnostics::default() };
    judge.columns(spec);
    judge.sense(spec);
    let sound = !judge.found.has_errors();
    found.extend(judge.found);
    sound.then(|| movement(spec, contract))
}

fn movement(spec: &MovementSpec, contract: &Contract) -> Movement {
    let rest = || contract.grain.iter().filter(|column| Some(*column) != spec.latest.as_ref()).cloned();
    Movement {
        column: spec.column.clone(),
        total: spec.total.clone(),
        per: spec.per.clone(),
        key: spec.key.clone().unwrap_or_else(|| rest().collect()),
        latest: spec.latest.clone(),
        while_null: spec.while_null.clone(),
    }
}

struct Judge<'a> {
    written: Written<'a>,
    contract: &'a Contract,
    found: Diagnostics,
}

impl Judge<'_> {
    fn place(&self, key: &str) -> Place {
        place(self.written.document, &format!("{}/config/movement{key}", self.written.pointer))
    }

    fn refuse(&mut self, key: &str, message: String, help: &str) {
        let found = Diagnostic::error(code::BAD_MOVEMENT, message).at(self.place(key));
        self.found.push(found.help(help));
    }

    /// Every column must be one of the contract's, and what is told must be no personal data.
    fn columns(&mut self, spec: &MovementSpec) {
        let single = [
            ("column", &spec.column),
            ("total", &spec.total),
            ("latest", &spec.latest),
            ("while_null", &spec.while_null),
        ];
        for (word, column) in single {
            if let Some(name) = column {
                self.column(&format!("/{word}"), name, word != "while_null");
            }
        }
        for (at, name) in spec.per.iter().enumerate() {
            self.column(&format!("/per/{at}"), name, true);
        }
        // Keys are counted, never told.
        for (at, name) in spec.key.iter().flatten().enumerate() {
            self.column(&format!("/key/{at}"), name, false);
        }
    }

    fn column(&mut self, key: &str, name: &str, is_told: bool) {
        let Some(column) = self.contract.column(name) else {
            let message = format!("`movement` names `{name}`, which is no column of the contract");
            let unknown = Diagnostic::error(code::UNKNOWN_COLUMN, message).at(self.place(key));
            let near = nearest(name, self.contract.columns.iter().map(|column| column.name.as_str()));
            self.found.push(match near {
                Some(near) => unknown.label(format!("did you mean `{near}`?")),
                None => unknown,
            });
            return;
        };
        if is_told && column.privacy == Privacy::Personal {
            let message = format!("`movement` would tell values of `{name}`, which is personal data");
            self.refuse(
                key,
                message,
                "name a column without `pii: true`; a personal one may stand under `key`",
            );
        }
    }

    /// What is asked must have an answer.
    fn sense(&mut self, spec: &MovementSpec) {
        if spec.column.is_none() && spec.total.is_none() {
            let message = "`movement` says neither whose values move nor what is added up".to_owned();
            self.refuse("", message, "write `column`, `total`, or both");
        }
        if let Some(column) = self.known(spec.total.as_deref())
            && !is_exact(column.data_type)
        {
            let message = format!("`total` adds up `{}`, which is {}", column.name, column.data_type);
            self.refuse("/total", message, "only whole numbers and decimals add up exactly");
        }
        if let Some(column) = self.known(spec.latest.as_deref())
            && (column.data_type != ColumnType::Date || !self.contract.grain.contains(&column.name))
        {
            let message = format!("`latest` names `{}`, which is no date of the grain", column.name);
            self.refuse(
                "/latest",
                message,
                "name the date that says what the rows are seen from, such as `as_of`",
            );
        }
        for (at, name) in spec.per.iter().enumerate() {
            if self.contract.column(name).is_some() && !self.contract.grain.contains(name) {
                let message = format!("`per` names `{name}`, which is not in the grain");
                let help = "name columns of the grain; what is told by value stands under `column`";
                self.refuse(&format!("/per/{at}"), message, help);
            }
        }
        if spec.total.is_none() && spec.column.is_some() && movement(spec, self.contract).key.is_empty() {
            let message = "nobody is left who could move".to_owned();
            self.refuse("", message, "name under `key` the columns that say who moves");
        }
    }

    fn known(&self, name: Option<&str>) -> Option<Column> {
        name.and_then(|name| self.contract.column(name)).cloned()
    }
}

const fn is_exact(data_type: ColumnType) -> bool {
    matches!(
        data_type,
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint | ColumnType::Decimal { .. }
    )
}
