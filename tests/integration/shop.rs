//! A small project over sources with contracts, whose data a test writes row by row.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::json::ReaderBuilder;
use parquet::arrow::ArrowWriter;
use serde_json::Value as Json;

use crate::program::{Answer, Project, commit, hashes, versions};

const PIPELINE: &str = "version: 1
name: shop
as_of: 2024-04-01
vars:
  currency: {type: string, default: EUR}
sources:
  location: ./sources
  tables:
    customers: {path: customers/}
    orders: {path: orders/}
    lines: {path: lines/}
    costs: {path: costs/}
models: [m]
targets:
  dev: {root: ./out}
publish: [m]
";

const SOURCES: &str = "sources:
  - name: customers
    description: One row per customer.
    grain: [customer_id]
    max_rejected: 1
    columns:
      - {name: customer_id, data_type: bigint, pii: true, description: Who.}
      - {name: kind, data_type: varchar, description: What., data_tests: [{accepted_values: [consumer, business]}]}
  - name: orders
    description: One row per order.
    grain: [order_id]
    event_time: ordered_at
    ingested_at: loaded_at
    totals: [amount]
    max_rejected: 1
    columns:
      - {name: order_id, data_type: bigint, description: The order.}
      - {name: customer_id, data_type: bigint, nullable: false, description: Who., data_tests: [{relationships: {to: sources.customers, field: customer_id}}]}
      - {name: ordered_at, data_type: timestamp, description: When it was placed.}
      - {name: loaded_at, data_type: timestamp, description: When it became known.}
      - {name: shipped_on, data_type: date, description: When it left.}
      - {name: amount, data_type: \"decimal(18, 2)\", description: Its amount., data_tests: [{range: {min: 0}}]}
      - {name: weight, data_type: double, description: Its weight.}
      - {name: currency, data_type: varchar, description: Of the amount., data_tests: [currency]}
  - name: lines
    description: One row per line of an order.
    grain: [order_id, line_no]
    dated_by: order_id
    totals: [amount]
    max_rejected: 1
    columns:
      - {name: order_id, data_type: bigint, description: The order., data_tests: [{relationships: {to: orders, field: order_id}}]}
      - {name: line_no, data_type: integer, description: Its number.}
      - {name: amount, data_type: \"decimal(18, 2)\", description: Its amount.}
  - name: costs
    description: One row per cost.
    grain: [cost_id]
    optional: true
    undated: true
    columns:
      - {name: cost_id, data_type: bigint, description: The cost.}
      - {name: amount, data_type: \"decimal(18, 2)\", description: Its amount.}
models:
  - name: sales
    description: One row per order.
    grain: [order_id]
    columns:
      - {name: order_id, data_type: bigint, description: The order.}
      - {name: amount, data_type: \"decimal(18, 2)\", description: Its amount.}
      - {name: lines, data_type: bigint, description: How many lines it has.}
      - {name: cost_status, data_type: varchar, description: What is known of costs.}
  - name: cost_list
    description: One row per cost.
    config: {requires: [sources.costs]}
    grain: [cost_id]
    columns:
      - {name: cost_id, data_type: bigint, description: The cost.}
      - {name: amount, data_type: \"decimal(18, 2)\", description: Its amount.}
";

const SALES: &str = "with counted as (
    select order_id, count(*) as lines from sources.lines group by order_id
)

select
    o.order_id,
    o.amount,
    c.lines,
    case when $absent_costs then 'no_cost_data' when $undated_costs then 'undated' else 'ok' end as cost_status
from sources.orders as o
left join counted as c on o.order_id = c.order_id
";

/// The project, with as much data as its test wrote.
pub(crate) struct Shop {
    project: Project,
}

/// The Arrow type of an instant with this unit and zone.
pub(crate) fn instant(unit: TimeUnit, zone: Option<&str>) -> DataType {
    DataType::Timestamp(unit, zone.map(Into::into))
}

/// The columns of orders as the contract has them.
pub(crate) fn order_columns() -> Vec<(&'static str, DataType)> {
    let at = instant(TimeUnit::Microsecond, Some("UTC"));
    vec![
        ("order_id", DataType::Int64),
        ("customer_id", DataType::Int64),
        ("ordered_at", at.clone()),
        ("loaded_at", at),
        ("shipped_on", DataType::Date32),
        ("amount", DataType::Decimal128(18, 2)),
        ("weight", DataType::Float64),
        ("currency", DataType::Utf8),
    ]
}

pub(crate) fn customer_columns() -> Vec<(&'static str, DataType)> {
    vec![("customer_id", DataType::Int64), ("kind", DataType::Utf8)]
}

pub(crate) fn line_columns() -> Vec<(&'static str, DataType)> {
    vec![("order_id", DataType::Int64), ("line_no", DataType::Int32), ("amount", DataType::Decimal128(18, 2))]
}

pub(crate) fn cost_columns() -> Vec<(&'static str, DataType)> {
    vec![("cost_id", DataType::Int64), ("amount", DataType::Decimal128(18, 2))]
}

/// A sound order.
pub(crate) fn order(order_id: i64) -> Json {
    serde_json::json!({
        "order_id": order_id, "customer_id": 1, "ordered_at": "2024-03-01T08:00:00Z",
        "loaded_at": "2024-03-01T09:00:00Z", "shipped_on": "2024-03-02", "amount": "10.00", "weight": 1.5,
        "currency": "EUR"
    })
}

/// `row` with other values.
pub(crate) fn with(row: &Json, values: &Json) -> Json {
    let mut row = row.clone();
    for (key, value) in values.as_object().unwrap() {
        row[key] = value.clone();
    }
    row
}

/// Writes one Parquet file, and the folders it lies in.
pub(crate) fn write(path: &Path, rows: &RecordBatch) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

/// A batch of these columns; values are written as JSON.
pub(crate) fn batch(columns: &[(&str, DataType)], rows: &[Json]) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let mut decoder = ReaderBuilder::new(Arc::clone(&schema)).build_decoder().unwrap();
    decoder.serialize(rows).unwrap();
    decoder.flush().unwrap().unwrap_or_else(|| RecordBatch::new_empty(schema))
}

impl Shop {
    /// The project without data.
    pub(crate) fn empty() -> Self {
        Self { project: Project::empty() }.furnished()
    }

    /// The project without data; what it will have, and what it publishes, lies in a bucket.
    pub(crate) fn empty_in_a_bucket() -> Self {
        let (project, [sources, out]) = Project::empty_in_a_bucket();
        let shop = Self { project }.furnished();
        shop.edit("pipelines/shop.yml", "./sources", &sources);
        shop.edit("pipelines/shop.yml", "./out", &out);
        shop
    }

    fn furnished(self) -> Self {
        let files = [
            ("pipelines/shop.yml", PIPELINE),
            ("sql/m/sources.yml", SOURCES),
            ("sql/m/sales.sql", SALES),
            ("sql/m/cost_list.sql", "select cost_id, amount from sources.costs\n"),
        ];
        for (path, text) in files {
            self.file(path, text);
        }
        self
    }

    /// With one customer, and these orders and lines in one file each.
    pub(crate) fn with(orders: &[Json], lines: &[Json]) -> Self {
        Self::empty().stocked(orders, lines)
    }

    /// The same with one customer, and these orders and lines in one file each.
    pub(crate) fn stocked(self, orders: &[Json], lines: &[Json]) -> Self {
        self.rows(
            "customers/a.parquet",
            &customer_columns(),
            &[serde_json::json!({"customer_id": 1, "kind": "consumer"})],
        );
        self.rows("orders/a.parquet", &order_columns(), orders);
        self.rows("lines/a.parquet", &line_columns(), lines);
        self
    }

    /// With one sound order and its line.
    pub(crate) fn sound() -> Self {
        Self::with(&[order(1)], &[serde_json::json!({"order_id": 1, "line_no": 1, "amount": "10.00"})])
    }

    pub(crate) fn project(&self) -> &Project {
        &self.project
    }

    /// Writes a file of the project.
    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.project.folder().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Changes a file of the project.
    #[track_caller]
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.project.folder().join(path)).unwrap();
        assert!(text.contains(from), "`{from}` is not in {path}");
        self.file(path, &text.replacen(from, to, 1));
    }

    /// Where its sources lie, as files.
    fn sources(&self) -> PathBuf {
        if self.project.is_in_a_bucket() {
            self.project.sources_folder()
        } else {
            self.project.folder().join("sources")
        }
    }

    /// Writes a file of a source.
    pub(crate) fn batch(&self, path: &str, batch: &RecordBatch) {
        write(&self.sources().join(path), batch);
    }

    pub(crate) fn rows(&self, path: &str, columns: &[(&str, DataType)], rows: &[Json]) {
        self.batch(path, &batch(columns, rows));
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_dir_all(self.sources().join(path)).unwrap();
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        self.project.run(arguments)
    }

    /// Runs, which must publish; the hashes of what was published.
    #[track_caller]
    pub(crate) fn published(&self, arguments: &[&str]) -> std::collections::BTreeMap<String, Vec<String>> {
        self.run(arguments).ended_with(0);
        let root = self.project.root();
        hashes(&commit(&root, *versions(&root).last().unwrap()))
    }

    /// Runs, which must not publish, ends with `code` and says each of `expected`.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, expected: &[&str]) {
        let answer = self.run(&[]).ended_with(code);
        for text in expected {
            assert!(answer.stderr.contains(text), "`{text}` is not in:\n{}", answer.stderr);
        }
        assert_eq!(
            versions(&self.project.root()),
            Vec::<u64>::new(),
            "published in spite of:\n{}",
            answer.stderr
        );
    }

    /// The only column of a query over what is published, as text.
    #[track_caller]
    pub(crate) fn lines(&self, query: &str) -> Vec<String> {
        let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.project.show(query).iter().flat_map(|row| row.as_object().unwrap().values().map(text)).collect()
    }
}

/// What was rejected, one line a key and rule.
pub(crate) const REJECTED: &str =
    "select concat(source, ': ', key, ': ', rule, ' ', column_name, ' ', cast(rows as varchar)) as line
    from rejected_rows order by source, key, rule, column_name";

/// What was published of orders.
pub(crate) const SALES_LINES: &str = "select concat(cast(order_id as varchar), ' ', cast(amount as varchar)) as line from sales order by order_id";
