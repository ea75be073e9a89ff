//! Audits: rules whose broken rows stop a publication.

use super::contract::{ColumnType, Contract};
use super::load::place;
use super::model::Written;
use super::{Model, SNAPSHOT_DAY};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, SourceFile, code};
use crate::ident::NodeName;
use crate::query::{self, Query};
use crate::spec::{BrokenRows, ColumnSpec, ColumnTest, Document, Materialized, ModelTest, Range, Reconciles};
use crate::value::{Value, ValueType};

/// One rule of one model.
#[derive(Debug, Clone)]
pub struct Audit {
    /// What it is called in messages and results, such as `not_null customer_id`.
    pub name: String,
    /// Where it is declared.
    pub place: Place,
    /// What must hold.
    pub rule: Rule,
}

/// What must hold.
#[derive(Debug, Clone)]
pub enum Rule {
    /// The columns of the grain are never null and unique together.
    Grain,
    /// A column is never null.
    NotNull {
        /// The column.
        column: String,
    },
    /// A column has only these values, or null.
    AcceptedValues {
        /// The column.
        column: String,
        /// The values as text.
        values: Vec<String>,
    },
    /// A column lies between bounds, or is null.
    Range {
        /// The column.
        column: String,
        /// The least value.
        min: Option<Value>,
        /// The greatest value.
        max: Option<Value>,
    },
    /// A query over published or staged tables returns no row.
    NoRows {
        /// The query; its result are the rows that break the rule.
        query: Box<Query>,
    },
}

struct Context<'a> {
    document: &'a Document,
    model: &'a NodeName,
}

/// The audits of a model: its grain first, then its columns', then the table's.
pub(super) fn of_model(
    written: Written<'_>,
    model: &NodeName,
    contract: &Contract,
    found: &mut Diagnostics,
) -> Vec<Audit> {
    let Written { document, pointer, spec } = written;
    let context = Context { document, model };
    let mut audits = Vec::new();
    if !contract.grain.is_empty() {
        let place = place(document, &format!("{pointer}/grain"));
        audits.push(Audit { name: format!("grain {}", contract.grain.join(", ")), place, rule: Rule::Grain });
    }
    for (at, column) in spec.columns.iter().enumerate() {
        for (test_at, test) in column.data_tests.iter().enumerate() {
            let pointer = format!("{pointer}/columns/{at}/data_tests/{test_at}");
            audits.extend(found.keep(context.of_column(&pointer, column, test)));
        }
    }
    if spec.config.materialized == Materialized::Snapshot {
        audits.extend(found.keep(context.of_snapshot(pointer)));
    }
    let event_time = spec.config.event_time.as_ref();
    if spec.config.materialized == Materialized::Incremental
        && !event_time.is_some_and(|column| contract.grain.contains(column))
    {
        audits.extend(found.keep(context.across_intervals(pointer, &contract.grain)));
    }
    for (at, test) in spec.data_tests.iter().enumerate() {
        let pointer = format!("{pointer}/data_tests/{at}");
        audits.extend(found.keep(context.of_table(&pointer, test)));
    }
    audits
}

impl Context<'_> {
    fn of_column(&self, pointer: &str, column: &ColumnSpec, test: &ColumnTest) -> Result<Audit, Diagnostics> {
        let place = place(self.document, pointer);
        let name = column.name.clone();
        let (model, text) = (self.model, &column.name);
        let (title, rule) = match test {
            ColumnTest::NotNull => (format!("not_null {text}"), Rule::NotNull { column: name }),
            ColumnTest::Unique => {
                let sql = format!(
                    "select {text}, count(*) as rows from {model} where {text} is not null \
                     group by {text} having count(*) > 1"
                );
                (format!("unique {text}"), no_rows(&sql, &place)?)
            }
            ColumnTest::AcceptedValues(values) => {
                let values = listed(self.document, pointer, values);
                (format!("accepted_values {text}"), Rule::AcceptedValues { column: name, values })
            }
            ColumnTest::Relationships(to) => {
                let (other, field) = (&to.to, &to.field);
                let sql = format!(
                    "select child.{text} from {model} as child where child.{text} is not null \
                     and not exists (select 1 from {other} as parent where parent.{field} = child.{text})"
                );
                (format!("relationships {text} to {other}.{field}"), no_rows(&sql, &place)?)
            }
            ColumnTest::Range(range) => {
                let bounded = Bounded { name: text, data_type: &column.data_type };
                let (min, max) = bounds(self.document, pointer, bounded, range)?;
                (format!("range {text}"), Rule::Range { column: name, min, max })
            }
        };
        Ok(Audit { name: title, place, rule })
    }

    /// Rows of another day would stay when the day they call themselves is built again.
    fn of_snapshot(&self, pointer: &str) -> Result<Audit, Diagnostics> {
        let place = place(self.document, &format!("{pointer}/config/materialized"));
        let model = self.model;
        let sql = format!(
            "select {SNAPSHOT_DAY}, count(*) as rows from {model} \
             where {SNAPSHOT_DAY} is distinct from $as_of_day group by {SNAPSHOT_DAY}"
        );
        Ok(Audit { name: "snapshot of the day looked from".to_owned(), rule: no_rows(&sql, &place)?, place })
    }

    /// A key is unique in its interval, and must not be in a second one.
    fn across_intervals(&self, pointer: &str, grain: &[String]) -> Result<Audit, Diagnostics> {
        let place = place(self.document, &format!("{pointer}/grain"));
        let (model, columns) = (self.model, grain.join(", "));
        let sql =
            format!("select {columns}, count(*) as rows from {model} group by {columns} having count(*) > 1");
        let name = format!("grain {columns} across intervals");
        Ok(Audit { name, rule: no_rows(&sql, &place)?, place })
    }

    fn of_table(&self, pointer: &str, test: &ModelTest) -> Result<Audit, Diagnostics> {
        let place = place(self.document, pointer);
        match test {
            ModelTest::Reconciles(both) => self.reconciles(pointer, both, place),
            ModelTest::BrokenRows(BrokenRows { name, sql }) => {
                let rule = no_rows(sql, &place)?;
                Ok(Audit { name: format!("broken_rows {name}"), place, rule })
            }
        }
    }

    fn reconciles(&self, pointer: &str, both: &Reconciles, place: Place) -> Result<Audit, Diagnostics> {
        let filter = |filter: &Option<String>| match filter {
            Some(condition) => format!("where {condition}"),
            None => String::new(),
        };
        let differs = match &both.tolerance {
            None => "mine.total is distinct from other.total".to_owned(),
            Some(_) => {
                let limit = self.document.text(&format!("{pointer}/reconciles/tolerance"));
                let limit: f64 = limit.and_then(|text| text.parse().ok()).ok_or_else(|| {
                    let message = "`tolerance` must be a number";
                    Diagnostics::from(Diagnostic::error(code::WRONG_VALUE, message).at(place.clone()))
                })?;
                format!("abs(mine.total - other.total) > {limit}")
            }
        };
        let sql = format!(
            "select mine.total as this_total, other.total as other_total \
             from (select coalesce({}, 0) as total from {} {}) as mine \
             cross join (select coalesce({}, 0) as total from {} {}) as other where {differs}",
            both.left,
            self.model,
            filter(&both.filter),
            both.right.expr,
            both.right.from,
            filter(&both.right.filter),
        );
        let rule = no_rows(&sql, &place)?;
        let name = format!("reconciles {} with {} of {}", both.left, both.right.expr, both.right.from);
        Ok(Audit { name, place, rule })
    }
}

/// The values of an `accepted_values` below `pointer`, as they were typed.
pub(super) fn listed(document: &Document, pointer: &str, values: &[serde_json::Value]) -> Vec<String> {
    let text = |(at, value): (usize, &serde_json::Value)| match value {
        serde_json::Value::String(text) => text.clone(),
        other => {
            let pointer = format!("{pointer}/accepted_values/{at}");
            document.text(&pointer).map_or_else(|| other.to_string(), str::to_owned)
        }
    };
    values.iter().enumerate().map(text).collect()
}

/// A column that a range bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounded<'a> {
    pub(super) name: &'a str,
    pub(super) data_type: &'a str,
}

/// The bounds of a range below `pointer`, read as the column's type.
pub(super) fn bounds(
    document: &Document,
    pointer: &str,
    column: Bounded<'_>,
    range: &Range,
) -> Result<(Option<Value>, Option<Value>), Diagnostics> {
    let wrong = |why: String, pointer: &str| {
        let place = place(document, pointer);
        Diagnostics::from(Diagnostic::error(code::BAD_AUDIT, why).at(place))
    };
    let data_type = ColumnType::parse(column.data_type).ok().and_then(comparable);
    let data_type = data_type
        .ok_or_else(|| wrong(format!("`{}` has no order that a range could bound", column.name), pointer))?;
    let bound = |key: &str, value: &Option<serde_json::Value>| {
        let Some(value) = value else { return Ok(None) };
        let pointer = format!("{pointer}/range/{key}");
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            other => document.text(&pointer).map_or_else(|| other.to_string(), str::to_owned),
        };
        let read = data_type.parse(&text).map_err(|cause| wrong(cause.to_string(), &pointer));
        read.map(Some)
    };
    let (min, max) = (bound("min", &range.min)?, bound("max", &range.max)?);
    if min.is_none() && max.is_none() {
        return Err(wrong("a range needs `min`, `max` or both".to_owned(), pointer));
    }
    Ok((min, max))
}

/// How the bounds of a column of this type are read.
const fn comparable(column_type: ColumnType) -> Option<ValueType> {
    match column_type {
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => Some(ValueType::Int),
        ColumnType::Decimal { .. } => Some(ValueType::Decimal),
        ColumnType::Double => Some(ValueType::Double),
        ColumnType::Date => Some(ValueType::Date),
        ColumnType::Timestamp | ColumnType::Varchar | ColumnType::Boolean => None,
    }
}

/// Parses an audit's SQL; its mistakes are shown where the audit is declared.
fn no_rows(sql: &str, place: &Place) -> Result<Rule, Diagnostics> {
    let file = SourceFile::new(place.file().path(), sql);
    let query = query::parse(&file).map_err(|found| {
        let at_audit = |finding: &Diagnostic| {
            let message = format!("this audit's SQL cannot be read: {}", finding.message);
            Diagnostic::error(code::BAD_AUDIT, message).at(place.clone())
        };
        found.iter().map(at_audit).collect::<Diagnostics>()
    })?;
    Ok(Rule::NoRows { query: Box::new(query) })
}

impl Audit {
    /// The query of the rule, if it has one.
    #[must_use]
    pub fn query(&self) -> Option<&Query> {
        match &self.rule {
            Rule::NoRows { query } => Some(query),
            _ => None,
        }
    }
}

/// Makes the rules of a view into queries: tables are checked while their rows are computed, a
/// view has no such moment.
pub(super) fn as_queries(
    audits: Vec<Audit>,
    model: &NodeName,
    contract: &Contract,
    found: &mut Diagnostics,
) -> Vec<Audit> {
    let queried = audits.into_iter().filter_map(|audit| {
        let Some(sql) = row_rule_as_sql(&audit.rule, model, contract) else {
            return Some(audit);
        };
        let rule = found.keep(no_rows(&sql, &audit.place))?;
        Some(Audit { rule, ..audit })
    });
    queried.collect()
}

fn row_rule_as_sql(rule: &Rule, model: &NodeName, contract: &Contract) -> Option<String> {
    match rule {
        Rule::NoRows { .. } => None,
        Rule::Grain => {
            let grain = contract.grain.join(", ");
            let nulls = contract.grain.iter().map(|column| format!(" or {column} is null"));
            let nulls: String = nulls.collect();
            Some(format!(
                "select {grain}, count(*) as rows from {model} group by {grain} \
                 having count(*) > 1{nulls}"
            ))
        }
        Rule::NotNull { column } => {
            Some(format!("select count(*) as rows from {model} where {column} is null having count(*) > 0"))
        }
        Rule::AcceptedValues { column, values } => {
            let values = values.iter().map(|value| format!("'{}'", value.replace('\'', "''")));
            let values = values.collect::<Vec<_>>().join(", ");
            Some(format!(
                "select {column}, count(*) as rows from {model} where {column} is not null \
                 and cast({column} as varchar) not in ({values}) group by {column}"
            ))
        }
        Rule::Range { column, min, max } => {
            let data_type = contract.column(column).map(|column| column.data_type)?;
            let side = |bound: &Option<Value>, sign: &str| {
                bound.as_ref().map(|bound| format!("{column} {sign} cast('{bound}' as {data_type})"))
            };
            let sides: Vec<String> = [side(min, "<"), side(max, ">")].into_iter().flatten().collect();
            (!sides.is_empty()).then(|| format!("select {column} from {model} where {}", sides.join(" or ")))
        }
    }
}

/// The query that finds the rows that break the rule of `audit`, for any kind of rule.
///
/// # Errors
///
/// Returns a rule that cannot be put as a query: a range without bounds.
pub fn audit_query(audit: &Audit, model: &Model) -> Result<Query, Diagnostics> {
    if let Some(query) = audit.query() {
        return Ok(query.clone());
    }
    let sql = row_rule_as_sql(&audit.rule, &model.name, &model.contract).ok_or_else(|| {
        let message = format!("audit `{}` has nothing to check", audit.name);
        Diagnostics::from(Diagnostic::error(code::BAD_AUDIT, message).at(audit.place.clone()))
    })?;
    query::parse(&SourceFile::new(audit.place.file().path(), &sql))
}
