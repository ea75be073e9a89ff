//! Tests of the engine through its public functions.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::{Relation, Typed, analyze};
use crate::diagnostic::{Diagnostics, SourceFile};
use crate::ident::{NodeName, VariableName};
use crate::interval::Instant;
use crate::query::{Parameters, TableName, Value, parse};

mod analysis;
mod groups;
mod lifetime;
mod running;
mod writing;

fn model(name: &str) -> TableName {
    TableName::Bare(NodeName::parse(name).expect("a name"))
}

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let field = |(name, data_type): &(&str, DataType)| Field::new(*name, data_type.clone(), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// `customers(customer_id key)`, `orders(order_id key)`, `order_lines(order_id, line_no key)`.
fn inputs() -> Vec<Relation> {
    use DataType::{Date32, Decimal128, Float64, Int64, Utf8};
    let relation = |name: &str, columns: &[(&str, DataType)], key: &[&str]| Relation {
        name: model(name),
        schema: schema(columns),
        keys: vec![key.iter().map(|column| (*column).to_owned()).collect()],
        defined_in: Some(format!("sql/staging/{name}.sql")),
    };
    vec![
        relation("customers", &[("customer_id", Int64), ("name", Utf8), ("country", Utf8)], &["customer_id"]),
        relation(
            "orders",
            &[
                ("order_id", Int64),
                ("customer_id", Int64),
                ("ordered_at", utc()),
                ("day", Date32),
                ("score", Float64),
            ],
            &["order_id"],
        ),
        relation(
            "order_lines",
            &[("order_id", Int64), ("line_no", Int64), ("amount", Decimal128(12, 2)), ("quantity", Int64)],
            &["order_id", "line_no"],
        ),
    ]
}

fn parameters() -> Parameters {
    let name = |text: &str| VariableName::parse(text).expect("a name");
    Parameters::from([
        // 2024-01-01T00:00:00Z
        (name("as_of"), Value::Timestamp(Instant::from_micros(1_704_067_200_000_000))),
        (name("as_of_day"), Value::Date(19_723)),
        (name("days"), Value::Int(90)),
        (name("rate"), Value::Decimal { unscaled: 19, precision: 2, scale: 2 }),
        (name("share"), Value::Double(0.5)),
        (name("country"), Value::String("D'E".to_owned())),
        (name("strict"), Value::Bool(true)),
    ])
}

fn typed_over(sql: &str, inputs: &[Relation]) -> Result<Typed, Diagnostics> {
    let query = parse(&SourceFile::new("m.sql", sql))?;
    analyze(&query, inputs, &parameters())
}

fn typed(sql: &str) -> Typed {
    typed_over(sql, &inputs()).unwrap_or_else(|found| panic!("{sql}: {}", shown(found)))
}

fn shown(found: Diagnostics) -> String {
    let line = |found: crate::diagnostic::Diagnostic| {
        let label = found.label.as_ref().map_or_else(String::new, |label| format!(" [{label}]"));
        let help = if found.help.is_empty() { String::new() } else { format!(" ({})", found.help.join(" ")) };
        format!("{found}{label}{help}")
    };
    found.sorted().into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn refused(sql: &str) -> String {
    match typed_over(sql, &inputs()) {
        Ok(_) => panic!("not refused: {sql}"),
        Err(found) => shown(found),
    }
}
