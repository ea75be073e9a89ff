//! Models that rules of segments name beside the facts: `customer_value.p_alive < 0.5 and tier = 'A'`.
//!
//! A name with a dot is a column of that model in the row of the same customer; a name without one is always a column
//! of `segment_facts`, whatever else the other model calls so. A customer without a row has null there, so a rule
//! that looks at it cannot be told.

use std::collections::{BTreeMap, BTreeSet};

use super::{FACTS, KEYS};
use crate::diagnostic::{Diagnostic, Diagnostics, code, nearest};
use crate::ident::NodeName;
use crate::project::{Model, SNAPSHOT_DAY};
use crate::query::ColumnOf;

/// Of which days a model tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reading {
    /// Of each day looked at, as the facts do.
    EveryDay,
    /// Of the day of the run only, so a rule that names it holds on no day before.
    LastDay,
}

/// The other models that rules name, and which of their columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Others {
    models: BTreeMap<String, Other>,
}

#[derive(Debug, Clone)]
struct Other {
    reading: Reading,
    /// Whether its rows name their day in [`SNAPSHOT_DAY`], and may be of several.
    is_dated: bool,
    columns: BTreeSet<String>,
}

impl Others {
    /// Those that a rule names.
    ///
    /// # Errors
    ///
    /// Returns every name of no model or column, and every model with several rows a customer; nothing of a model
    /// that is `written` but could not be read, of which its own findings tell.
    pub(super) fn read(
        columns: &[ColumnOf],
        models: &BTreeMap<NodeName, Model>,
        written: impl Fn(&str) -> bool,
    ) -> Result<Self, Diagnostics> {
        let mut found = Diagnostics::default();
        let mut others = Self::default();
        let mut is_known = true;
        for of in columns.iter().filter(|of| of.table != FACTS) {
            let Some(model) = models.get(of.table.as_str()) else {
                is_known = false;
                if !written(&of.table) {
                    found.push(unknown_model(of, models));
                }
                continue;
            };
            let Some(mut other) = found.keep(one_row_a_customer(of, model)) else { continue };
            if model.contract.column(&of.column).is_none() {
                found.push(unknown_column(of, model));
                continue;
            }
            let known = others.models.remove(&of.table);
            other.columns.extend(known.into_iter().flat_map(|known| known.columns));
            others.models.insert(of.table.clone(), other);
        }
        if is_known { found.or_ok(others) } else { Err(found) }
    }

    /// Adds those of another rule.
    pub(super) fn extend(&mut self, more: &Self) {
        for (name, other) in &more.models {
            let known = self.models.entry(name.clone()).or_insert_with(|| other.clone());
            known.columns.extend(other.columns.iter().cloned());
        }
    }

    /// The days on which a rule with these names can be asked.
    pub(super) fn reading(&self) -> Reading {
        self.models.values().map(|other| other.reading).max().unwrap_or(Reading::EveryDay)
    }

    /// The FROM of a query that asks rules: the facts, each other model one column of named values beside them.
    pub(super) fn from(&self) -> String {
        if self.models.is_empty() {
            return format!("from {FACTS}");
        }
        let [day, customer] = KEYS;
        let mut columns = vec![format!("{FACTS}.*")];
        let mut joins = String::new();
        for (name, other) in &self.models {
            let values: Vec<String> =
                other.columns.iter().map(|column| format!("'{column}', \"{column}\"")).collect();
            let values = values.join(", ");
            columns.push(format!("named_{name}.\"{name}\""));
            let (keys, on) = match other.reading {
                Reading::EveryDay => {
                    (format!("{day}, {customer}"), format!("{FACTS}.{day} = named_{name}.{day} and "))
                }
                Reading::LastDay => (customer.to_owned(), String::new()),
            };
            let rows =
                if other.is_dated { format!(" where {SNAPSHOT_DAY} = $as_of_day") } else { String::new() };
            joins.push_str(&format!(
                "\nleft join (select {keys}, named_struct({values}) as \"{name}\" from {name}{rows}) as named_{name}\n\
                 on {on}{FACTS}.{customer} = named_{name}.{customer}"
            ));
        }
        format!("from (select {} from {FACTS}{joins}) as {FACTS}", columns.join(", "))
    }
}

/// How a model is read that has one row a customer, or a customer and day.
fn one_row_a_customer(of: &ColumnOf, model: &Model) -> Result<Other, Diagnostics> {
    let mut grain: BTreeSet<&str> = model.contract.grain.iter().map(String::as_str).collect();
    let [day, customer] = KEYS;
    let of_customers = grain.remove(customer);
    let reading = if grain.remove(day) { Reading::EveryDay } else { Reading::LastDay };
    let is_dated = grain.remove(SNAPSHOT_DAY);
    if of_customers && grain.is_empty() {
        return Ok(Other { reading, is_dated, columns: BTreeSet::from([of.column.clone()]) });
    }
    let message = format!("`{}` has not one row a customer, so a rule cannot look at it", of.table);
    let found = Diagnostic::error(code::NOT_A_CONDITION, message).at(of.place.clone());
    let help = format!(
        "its grain is [{}]; name a model with the grain [{SNAPSHOT_DAY}, {customer}], or write one",
        model.contract.grain.join(", ")
    );
    Err(found.help(help).into())
}

fn unknown_model(of: &ColumnOf, models: &BTreeMap<NodeName, Model>) -> Diagnostic {
    let found = Diagnostic::error(code::UNKNOWN_TABLE, format!("model `{}` not found", of.table));
    let found = found.at(of.place.clone());
    match nearest(&of.table, models.keys().map(NodeName::as_str)) {
        Some(near) => found.label(format!("did you mean `{near}`?")),
        None => found.help(format!("a column of `{FACTS}` stands without a dot")),
    }
}

fn unknown_column(of: &ColumnOf, model: &Model) -> Diagnostic {
    let message = format!("column `{}.{}` not found", of.table, of.column);
    let found = Diagnostic::error(code::UNKNOWN_COLUMN, message).at(of.place.clone());
    let columns = &model.contract.columns;
    match nearest(&of.column, columns.iter().map(|column| column.name.as_str())) {
        Some(near) => found.label(format!("did you mean `{}.{near}`?", of.table)),
        None => found.help(format!("`goodwill show {}` shows its columns", of.table)),
    }
}
