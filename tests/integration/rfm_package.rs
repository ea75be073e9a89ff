//! RFM as the R package `rfm` scores its own data: what the shipped models find in the same orders.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use serde_json::Value as Json;

use crate::program::{Project, copy_folder};
use crate::references::{cents, reference, text};

/// The day the package's example looks from.
const DAY: &str = "2006-12-31";
/// Where the fifths of the 995 customers meet, as R's `quantile` (type 7) has them. The package adds 1 and takes what
/// is below it; whole numbers on an edge are so in the lower fifth, as by our convention `edges`.
const EDGES: [(&str, [f64; 4]); 3] = [
    ("recency_days", [114.0, 180.0, 296.4, 481.0]),
    ("transaction_count", [3.0, 4.0, 5.0, 7.0]),
    ("amount", [254.8, 381.0, 505.4, 665.0]),
];

/// A sheet as the wholesaler's mapping reads it, one line an order.
fn write_sheet(path: &Path) {
    let orders = reference("rfm_rpackage_orders.csv");
    let noon = |row: &BTreeMap<String, String>| {
        let day: jiff::civil::Date = row["day"].parse().unwrap();
        day.at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_microsecond()
    };
    let number = |name: &str| {
        let numbers = orders.iter().map(|row| row[name].parse::<f64>().unwrap());
        Arc::new(Float64Array::from_iter_values(numbers)) as ArrayRef
    };
    let invoices = (0..orders.len()).map(|at| (100_000 + at).to_string());
    let columns: [(&str, ArrayRef); 6] = [
        ("Invoice", Arc::new(StringArray::from_iter_values(invoices))),
        ("StockCode", Arc::new(StringArray::from_iter_values(orders.iter().map(|_| "goods")))),
        ("Quantity", Arc::new(Int64Array::from_value(1, orders.len()))),
        ("InvoiceDate", Arc::new(TimestampMicrosecondArray::from_iter_values(orders.iter().map(noon)))),
        ("Price", number("revenue")),
        ("Customer ID", number("customer_id")),
    ];
    let sheet = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), sheet.schema(), None).unwrap();
    writer.write(&sheet).unwrap();
    writer.close().unwrap();
}

fn scored() -> Vec<Json> {
    let project = Project::empty();
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixture = package.join("tests/fixtures/uci");
    copy_folder(&package.join("sql"), &project.folder().join("sql"));
    copy_folder(&fixture.join("sql"), &project.folder().join("sql"));
    copy_folder(&fixture.join("pipelines"), &project.folder().join("pipelines"));
    fs::create_dir_all(project.folder().join("sources")).unwrap();
    write_sheet(&project.folder().join("sources/online_retail_ii_2009_2010.parquet"));
    project.run(&["-s", "rfm", "--as-of", DAY, "--vars", "rfm_tie_convention=edges"]).ended_with(0);
    project.show("select * from rfm")
}

#[test]
fn customers_are_scored_as_by_the_r_package() {
    let ours = scored();
    let ours: BTreeMap<String, &Json> = ours.iter().map(|row| (text(&row["customer_id"]), row)).collect();
    let theirs = reference("rfm_rpackage_customers.csv");
    assert_eq!((ours.len(), theirs.len()), (995, 995));
    let (mut between, mut champions) = (0, [0; 3]);
    for row in &theirs {
        let found = ours[&row["customer_id"]];
        assert_eq!(text(&found["days_since_last_order"]), row["recency_days"], "{row:?}");
        assert_eq!(text(&found["frequency"]), row["transaction_count"], "{row:?}");
        assert_eq!(cents(&text(&found["monetary"])), 100 * row["amount"].parse::<i64>().unwrap(), "{row:?}");
        let scores =
            [("r_score", "recency_score"), ("f_score", "frequency_score"), ("m_score", "monetary_score")];
        for ((our_name, their_name), (value, edges)) in scores.into_iter().zip(EDGES) {
            let value: f64 = row[value].parse().unwrap();
            // A whole number above an edge that is none, and below the edge and 1: R has it below the edge.
            let lies_between =
                edges.iter().any(|edge| edge.fract() > 0.0 && *edge < value && value < edge + 1.0);
            between += i32::from(lies_between);
            let score = found[our_name].as_i64().unwrap();
            let theirs = row[their_name].parse::<i64>().unwrap();
            let step = if our_name == "r_score" { 1 } else { -1 };
            assert_eq!(score + if lies_between { step } else { 0 }, theirs, "{our_name} of {row:?}");
        }
        if ["recency_score", "frequency_score", "monetary_score"]
            .iter()
            .all(|name| row[*name].as_str() >= "4")
        {
            champions[0] += 1;
            champions[1] += found["frequency"].as_i64().unwrap();
            champions[2] += cents(&text(&found["monetary"])) / 100;
        }
    }
    // What the package's own test says of its champions: customers, orders, revenue.
    assert_eq!(champions, [158, 1234, 120_178]);
    assert_eq!(between, 3);
}
