//! What one contract says: its columns, its rules, its times.

use super::read::Entry;
use super::{CURRENCY, SourceCheck, SourceContract, SourceRule};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, code, nearest};
use crate::ident::NodeName;
use crate::project::Located;
use crate::project::audit::{self, Bounded};
use crate::project::contract::{Column, ColumnType, Contract, Nullability, Privacy};
use crate::project::load::place;
use crate::project::pipeline::named;
use crate::query::SOURCES_SCHEMA;
use crate::spec::{SourceColumnSpec, SourceTest};

/// A contract being checked.
pub(super) struct Context<'a> {
    pub(super) entry: Entry<'a>,
    pub(super) times: [Option<&'a Located<String>>; 2],
    pub(super) has_currency: bool,
    pub(super) pipeline: &'a str,
}

impl Context<'_> {
    fn place(&self, key: &str) -> Place {
        place(self.entry.document, &format!("/sources/{}/{key}", self.entry.at))
    }

    pub(super) fn contract(&self, found: &mut Diagnostics) -> Option<SourceContract> {
        let spec = self.entry.spec;
        let columns = self.columns(found)?;
        self.known(&spec.grain, "grain", found);
        self.known(&spec.totals, "totals", found);
        self.times(&columns, found);
        let numeric = |name: &str| {
            columns.iter().find(|column| column.name == name).is_none_or(|column| is_exact(column.data_type))
        };
        for (at, name) in spec.totals.iter().enumerate().filter(|(_, name)| !numeric(name)) {
            let message = format!("`{name}` is no exact number: totals are sums of integers or decimals");
            found.push(Diagnostic::error(code::BAD_AUDIT, message).at(self.place(&format!("totals/{at}"))));
        }
        let rules = self.rules(&columns, found);
        let parents = |rule: &SourceRule| matches!(&rule.check, SourceCheck::Orphan { column, .. } if Some(column) == spec.dated_by.as_ref());
        if let Some(column) = spec.dated_by.as_ref().filter(|_| !rules.iter().any(parents)) {
            let message = format!("`dated_by` names `{column}`, which has no relationship");
            found.push(Diagnostic::error(code::BAD_AUDIT, message).at(self.place("dated_by")));
        }
        let optional = spec.columns.iter().filter(|column| column.optional).map(|column| column.name.clone());
        Some(SourceContract {
            table: Contract {
                description: spec.description.clone(),
                columns,
                grain: spec.grain.clone(),
                order_by: spec.grain.clone(),
            },
            optional_columns: optional.collect(),
            rules,
            totals: spec.totals.clone(),
            dated_by: spec.dated_by.clone(),
            place: self.place("name"),
        })
    }

    fn columns(&self, found: &mut Diagnostics) -> Option<Vec<Column>> {
        let spec = self.entry.spec;
        let mut columns: Vec<Column> = Vec::new();
        for (at, written) in spec.columns.iter().enumerate() {
            if columns.iter().any(|column| column.name == written.name) {
                let message = format!("column `{}` stands twice in the contract", written.name);
                let twice = Diagnostic::error(code::DUPLICATE_NAME, message);
                found.push(twice.at(self.place(&format!("columns/{at}/name"))));
            }
            let data_type = ColumnType::parse(&written.data_type).map_err(|cause| {
                let place = self.place(&format!("columns/{at}/data_type"));
                Diagnostics::from(Diagnostic::error(code::UNKNOWN_TYPE, cause.to_string()).at(place))
            });
            let Some(data_type) = found.keep(data_type) else { continue };
            columns.push(Column {
                name: written.name.clone(),
                data_type,
                nullable: if self.is_nullable(written) {
                    Nullability::Nullable
                } else {
                    Nullability::Required
                },
                privacy: if written.pii { Privacy::Personal } else { Privacy::Public },
                description: written.description.clone(),
            });
        }
        (columns.len() == spec.columns.len()).then_some(columns)
    }

    /// Keys and times must be there, whatever else is said.
    fn is_nullable(&self, column: &SourceColumnSpec) -> bool {
        let name = column.name.as_str();
        let needed = self.entry.spec.grain.iter().any(|key| key == name)
            || self.times.iter().flatten().any(|time| time.value == name);
        !needed
            && column.nullable.unwrap_or(true)
            && !column.data_tests.iter().any(|test| matches!(test, SourceTest::NotNull))
    }

    fn known(&self, list: &[String], key: &str, found: &mut Diagnostics) {
        for (at, name) in list.iter().enumerate() {
            if !self.entry.spec.columns.iter().any(|column| column.name == *name) {
                found.push(self.unknown_column(key, name).at(self.place(&format!("{key}/{at}"))));
            }
        }
    }

    fn unknown_column(&self, key: &str, name: &str) -> Diagnostic {
        let message = format!("`{key}` names `{name}`, which is no column of the contract");
        let found = Diagnostic::error(code::UNKNOWN_COLUMN, message);
        match nearest(name, self.entry.spec.columns.iter().map(|column| column.name.as_str())) {
            Some(near) => found.label(format!("did you mean `{near}`?")),
            None => found,
        }
    }

    /// Rows are cut by instants and days.
    fn times(&self, columns: &[Column], found: &mut Diagnostics) {
        for (key, time) in ["event_time", "ingested_at"].into_iter().zip(self.times) {
            let Some(Located { value: name, place }) = time else { continue };
            match columns.iter().find(|column| column.name == *name) {
                None => found.push(self.unknown_column(key, name).at(place.clone())),
                Some(column) if !matches!(column.data_type, ColumnType::Date | ColumnType::Timestamp) => {
                    let message =
                        format!("`{key}` names `{name}`, which is {} and no time", column.data_type);
                    found.push(Diagnostic::error(code::UNKNOWN_COLUMN, message).at(place.clone()));
                }
                Some(_) => {}
            }
        }
    }

    /// The rules in the order they are judged: what one row shows, then keys, then other sources.
    fn rules(&self, columns: &[Column], found: &mut Diagnostics) -> Vec<SourceRule> {
        let spec = self.entry.spec;
        let mut rules = Vec::new();
        let mut orphans = Vec::new();
        for (at, written) in spec.columns.iter().enumerate() {
            let Some(column) = columns.iter().find(|column| column.name == written.name) else { continue };
            let own = self.place(&format!("columns/{at}/name"));
            rules.extend(
                implied(column, &spec.grain, written).map(|check| SourceRule { check, place: own.clone() }),
            );
            for (test_at, test) in written.data_tests.iter().enumerate() {
                let pointer = format!("columns/{at}/data_tests/{test_at}");
                let Some(check) = self.check(&pointer, written, test, found) else { continue };
                let rule = SourceRule { check, place: self.place(&pointer) };
                if matches!(rule.check, SourceCheck::Orphan { .. }) {
                    orphans.push(rule);
                } else {
                    rules.push(rule);
                }
            }
        }
        if !spec.grain.is_empty() {
            rules.push(SourceRule { check: SourceCheck::DuplicateKey, place: self.place("grain") });
        }
        rules.extend(orphans);
        rules
    }

    fn check(
        &self,
        pointer: &str,
        column: &SourceColumnSpec,
        test: &SourceTest,
        found: &mut Diagnostics,
    ) -> Option<SourceCheck> {
        let name = column.name.clone();
        let document = self.entry.document;
        let full = format!("/sources/{}/{pointer}", self.entry.at);
        match test {
            // Implied by what may not be null.
            SourceTest::NotNull => None,
            SourceTest::AcceptedValues(values) => {
                let values = audit::listed(document, &full, values);
                Some(SourceCheck::AcceptedValues { column: name, values })
            }
            SourceTest::Range(range) => {
                let bounded = Bounded { name: &column.name, data_type: &column.data_type };
                let (min, max) = found.keep(audit::bounds(document, &full, bounded, range))?;
                Some(SourceCheck::Range { column: name, min, max })
            }
            SourceTest::Currency if !self.has_currency => {
                let message =
                    format!("`currency` compares with a variable `{CURRENCY}` that is not declared");
                let missing = Diagnostic::error(code::UNKNOWN_VARIABLE, message).at(self.place(pointer));
                let help = format!(
                    "declare it under `vars:` of {}: `currency: {{type: string, default: EUR}}`",
                    self.pipeline
                );
                found.push(missing.help(help));
                None
            }
            SourceTest::Currency => Some(SourceCheck::OtherCurrency { column: name }),
            SourceTest::Relationships(to) => {
                let bare = to.to.strip_prefix(SOURCES_SCHEMA).and_then(|rest| rest.strip_prefix('.'));
                let parsed = named(NodeName::parse(bare.unwrap_or(&to.to)), self.place(pointer));
                let to_source = found.keep(parsed)?;
                Some(SourceCheck::Orphan { column: name, to: to_source, field: to.field.clone() })
            }
        }
    }
}

/// What holds of a column without anybody saying so.
fn implied<'a>(
    column: &'a Column,
    grain: &'a [String],
    written: &SourceColumnSpec,
) -> impl Iterator<Item = SourceCheck> + use<'a> {
    let name = &column.name;
    let bounded = written.data_tests.iter().any(|test| matches!(test, SourceTest::Range(_)));
    let present = match (grain.contains(name), column.nullable) {
        (true, _) => Some(SourceCheck::MissingKey { column: name.clone() }),
        (false, Nullability::Required) => Some(SourceCheck::NotNull { column: name.clone() }),
        (false, Nullability::Nullable) => None,
    };
    let sane = match column.data_type {
        ColumnType::Double => Some(SourceCheck::NotFinite { column: name.clone() }),
        ColumnType::Date | ColumnType::Timestamp if !bounded => {
            Some(SourceCheck::ImpossibleDate { column: name.clone() })
        }
        _ => None,
    };
    present.into_iter().chain(sane)
}

const fn is_exact(data_type: ColumnType) -> bool {
    matches!(
        data_type,
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint | ColumnType::Decimal { .. }
    )
}
