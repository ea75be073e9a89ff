//! Files that are not as their source's contract says: twelve kinds of differences, each under `drift: fail`,
//! `warn` and `ignore`. `docs/sources.md` has the table.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use serde_json::json;

use crate::shop::{REJECTED, SALES_LINES, Shop, batch, instant, line_columns, order, order_columns, with};

/// A kind of difference: what makes it, and what becomes of it.
struct Kind {
    name: &'static str,
    make: fn(&Shop),
    /// What a refusal or a warning says; none for what is no difference.
    told: Option<&'static str>,
    becomes: Becomes,
}

/// What becomes of files that differ, unless nothing at all may differ.
enum Becomes {
    /// They are read as if they did not.
    Read,
    /// They are read, but for rows whose value has no equal in the contract's type.
    ReadBut(&'static str),
    /// Nothing is read.
    Refused,
}

/// Orders 1 and 2 with the columns changed.
fn orders(shop: &Shop, change: impl Fn(Vec<(Field, ArrayRef)>) -> Vec<(Field, ArrayRef)>) {
    let rows = [order(1), with(&order(2), &json!({"amount": "20.00"}))];
    let rows = batch(&order_columns(), &rows);
    let fields: Vec<Field> = rows.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    write(shop, "orders/a.parquet", change(fields.into_iter().zip(rows.columns().to_vec()).collect()));
}

fn write(shop: &Shop, path: &str, columns: Vec<(Field, ArrayRef)>) {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    shop.batch(path, &RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap());
}

/// The column `name` of another type.
fn cast_to(shop: &Shop, name: &str, to: &DataType) {
    orders(shop, |columns| {
        let change = |(field, array): (Field, ArrayRef)| {
            if field.name() == name {
                (Field::new(name, to.clone(), true), cast(&array, to).unwrap())
            } else {
                (field, array)
            }
        };
        columns.into_iter().map(change).collect()
    });
}

fn rename(shop: &Shop, from: &str, to: &str) {
    orders(shop, |columns| {
        let change = |(field, array): (Field, ArrayRef)| {
            if field.name() == from { (field.with_name(to), array) } else { (field, array) }
        };
        columns.into_iter().map(change).collect()
    });
}

/// Orders whose amounts are of another type.
fn amounts(shop: &Shop, data_type: &DataType, amounts: [&str; 3]) {
    let columns: Vec<(&str, DataType)> = order_columns()
        .into_iter()
        .map(|(name, own)| (name, if name == "amount" { data_type.clone() } else { own }))
        .collect();
    let row = |(at, amount): (i64, &&str)| with(&order(at), &json!({"amount": amount}));
    let rows: Vec<_> = (1..).zip(&amounts).map(row).collect();
    shop.rows("orders/a.parquet", &columns, &rows);
}

const KINDS: [Kind; 12] = [
    Kind {
        name: "missing",
        make: |shop| {
            orders(shop, |columns| {
                columns.into_iter().filter(|(field, _)| field.name() != "shipped_on").collect()
            });
        },
        told: Some("column `shipped_on` is missing: its values are unknown"),
        becomes: Becomes::Read,
    },
    Kind {
        name: "extra",
        make: |shop| {
            orders(shop, |mut columns| {
                let (field, array) = columns[0].clone();
                columns.push((field.with_name("parcel_tracking"), array));
                columns
            });
        },
        told: Some("column `parcel_tracking` (BIGINT) is not in the contract: it is not read"),
        becomes: Becomes::Read,
    },
    Kind {
        name: "renamed",
        make: |shop| rename(shop, "amount", "amounts"),
        told: Some("column `amount` is missing; was it renamed to `amounts`?"),
        becomes: Becomes::Refused,
    },
    Kind {
        name: "wider",
        make: |shop| {
            orders(shop, |columns| columns);
            let columns =
                [line_columns()[0].clone(), ("line_no", DataType::Int64), line_columns()[2].clone()];
            let line = |line_no: i64| json!({"order_id": 1, "line_no": line_no, "amount": "1.00"});
            shop.rows("lines/a.parquet", &columns, &[line(1), line(2_147_483_648)]);
        },
        told: Some(
            "source `lines` is not as its contract says: column `line_no` is BIGINT, not integer: rows whose value does not fit are rejected",
        ),
        becomes: Becomes::ReadBut("lines: order_id = 1, line_no = null: unreadable line_no 1"),
    },
    Kind {
        name: "narrower",
        make: |shop| cast_to(shop, "order_id", &DataType::Int32),
        told: Some("column `order_id` is INTEGER, not bigint: every value fits"),
        becomes: Becomes::Read,
    },
    Kind {
        name: "case",
        make: |shop| rename(shop, "order_id", "Order_ID"),
        told: Some("column `order_id` is written `Order_ID`"),
        becomes: Becomes::Read,
    },
    Kind {
        name: "order",
        make: |shop| {
            orders(shop, |mut columns| {
                columns.reverse();
                columns
            });
        },
        told: None,
        becomes: Becomes::Read,
    },
    Kind {
        name: "nullability",
        make: |shop| {
            orders(shop, |columns| {
                columns.into_iter().map(|(field, array)| (field.with_nullable(false), array)).collect()
            });
        },
        told: None,
        becomes: Becomes::Read,
    },
    Kind {
        name: "time unit",
        make: |shop| cast_to(shop, "ordered_at", &instant(TimeUnit::Millisecond, Some("Europe/Berlin"))),
        told: Some(
            "column `ordered_at` is Timestamp(ms, \"Europe/Berlin\"), not timestamp: read to the microsecond",
        ),
        becomes: Becomes::Read,
    },
    Kind {
        name: "decimal scale",
        make: |shop| amounts(shop, &DataType::Decimal128(18, 3), ["10.000", "20.000", "30.005"]),
        told: Some(
            "column `amount` is DECIMAL(18, 3), not decimal(18, 2): rows whose value does not fit are rejected",
        ),
        becomes: Becomes::ReadBut("orders: order_id = 3: unreadable amount 1"),
    },
    Kind {
        name: "text for number",
        make: |shop| amounts(shop, &DataType::Utf8, ["10", " 20.0 ", "thirty"]),
        told: Some(
            "column `amount` is VARCHAR, not decimal(18, 2): rows whose value does not fit are rejected",
        ),
        becomes: Becomes::ReadBut("orders: order_id = 3: unreadable amount 1"),
    },
    Kind {
        name: "dictionary",
        make: |shop| {
            cast_to(
                shop,
                "currency",
                &DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
            );
        },
        told: None,
        becomes: Becomes::Read,
    },
];

fn check(kind: &Kind, drift: &str) {
    let shop = Shop::sound();
    (kind.make)(&shop);
    for source in ["orders", "lines"] {
        shop.edit(
            "pipelines/shop.yml",
            &format!("{{path: {source}/}}"),
            &format!("{{path: {source}/, drift: {drift}}}"),
        );
    }
    let name = kind.name;
    let may_differ = kind.told.is_none() || drift != "fail";
    if !may_differ || matches!(kind.becomes, Becomes::Refused) {
        shop.refused(4, &["error[GW0403]: source `", kind.told.unwrap()]);
        return;
    }
    let answer = shop.run(&[]).ended_with(0);
    let warned = answer.stderr.contains("warning[GW0403]");
    assert_eq!(warned, drift == "warn" && kind.told.is_some(), "{name} {drift}:\n{}", answer.stderr);
    if warned {
        assert!(answer.stderr.contains(kind.told.unwrap()), "{name}:\n{}", answer.stderr);
    }
    assert_eq!(shop.lines(SALES_LINES), ["1 10.00", "2 20.00"], "{name} {drift}");
    let rejected = match kind.becomes {
        Becomes::ReadBut(rejected) => vec![rejected],
        _ => Vec::new(),
    };
    let found = shop.lines(REJECTED);
    assert!(rejected.iter().all(|line| found.iter().any(|found| found == line)), "{name} {drift}: {found:?}");
    assert_eq!(found.is_empty(), rejected.is_empty(), "{name} {drift}: {found:?}");
}

#[test]
fn nothing_may_differ_under_fail() {
    for kind in &KINDS {
        check(kind, "fail");
    }
}

#[test]
fn what_loses_nothing_is_read_and_told_under_warn() {
    for kind in &KINDS {
        check(kind, "warn");
    }
}

#[test]
fn what_loses_nothing_is_read_under_ignore() {
    for kind in &KINDS {
        check(kind, "ignore");
    }
}

#[test]
fn files_of_one_source_may_differ_from_each_other() {
    for drift in ["warn", "ignore", "fail"] {
        let shop = Shop::sound();
        let mut narrow = order_columns();
        narrow[0].1 = DataType::Int32;
        narrow.remove(4);
        shop.rows(
            "orders/b.parquet",
            &narrow,
            &[{
                let mut row = order(2);
                row.as_object_mut().unwrap().remove("shipped_on");
                row
            }],
        );
        let mut text = order_columns();
        text[5].1 = DataType::Utf8;
        shop.rows(
            "orders/c.parquet",
            &text,
            &[with(&order(3), &json!({"amount": "3"})), with(&order(4), &json!({"amount": "?"}))],
        );
        shop.edit("pipelines/shop.yml", "{path: orders/}", &format!("{{path: orders/, drift: {drift}}}"));
        if drift == "fail" {
            shop.refused(4, &["column `shipped_on` is missing", "(in 1 of 3 files: `", "orders/b.parquet`)"]);
            continue;
        }
        shop.published(&[]);
        assert_eq!(shop.lines(SALES_LINES), ["1 10.00", "2 10.00", "3 3.00"]);
        assert_eq!(shop.lines(REJECTED), ["orders: order_id = 4: unreadable amount 1"]);
    }
}

#[test]
fn what_no_row_can_do_without_is_never_made_up() {
    for drift in ["warn", "ignore"] {
        let shop = Shop::sound();
        orders(&shop, |columns| {
            columns.into_iter().filter(|(field, _)| field.name() != "customer_id").collect()
        });
        shop.edit("pipelines/shop.yml", "{path: orders/}", &format!("{{path: orders/, drift: {drift}}}"));
        shop.refused(4, &["column `customer_id` is missing, and no row can do without it"]);
    }
}

#[test]
fn two_columns_that_differ_in_case_only_are_not_guessed_between() {
    let shop = Shop::sound();
    orders(&shop, |mut columns| {
        let (field, array) = columns[5].clone();
        columns[5].0 = field.clone().with_name("Amount");
        columns.push((field.with_name("AMOUNT"), array));
        columns
    });
    shop.refused(4, &["column `amount` is there as `Amount` and `AMOUNT`: which is meant?"]);
}

#[test]
fn check_compares_the_lock_with_the_contract() {
    let shop = Shop::sound();
    cast_to(&shop, "order_id", &DataType::Int32);
    shop.project().goodwill(&["schema", "sync"]).ended_with(0);
    let told = shop.project().goodwill(&["check"]).ended_with(0).stderr;
    assert!(
        told.contains("warning[GW0403]: source `orders` is not as its contract says: column `order_id`"),
        "{told}"
    );
    let told = shop.project().goodwill(&["plan"]).ended_with(0).stderr;
    assert!(told.contains("warning[GW0403]"), "{told}");
    shop.edit("pipelines/shop.yml", "{path: orders/}", "{path: orders/, drift: fail}");
    shop.project().goodwill(&["check"]).ended_with(4);
}

#[test]
fn all_that_differs_in_a_source_is_one_warning() {
    let shop = Shop::sound();
    orders(&shop, |mut columns| {
        for name in ["parcel_tracking", "warehouse"] {
            let (field, array) = columns[0].clone();
            columns.push((field.with_name(name), array));
        }
        columns
    });
    let told = shop.run(&[]).ended_with(0).stderr;
    assert_eq!(told.matches("warning[GW0403]").count(), 1, "{told}");
    assert!(told.contains("source `orders` is not as its contract says: 2 differences"), "{told}");
    for name in ["parcel_tracking", "warehouse"] {
        assert!(told.contains(&format!("column `{name}` (BIGINT) is not in the contract")), "{told}");
    }
}

#[test]
fn a_column_is_taken_for_one_renamed_column_at_most_and_only_of_a_like_type() {
    let shop = Shop::sound();
    // `ordered_at` is gone; what is left has a name like it and a type that never was an instant.
    orders(&shop, |columns| {
        let (field, array) = columns[0].clone();
        let columns = columns.into_iter().filter(|(field, _)| field.name() != "ordered_at");
        columns.chain([(field.with_name("ordered_on"), array)]).collect()
    });
    let told = shop.run(&[]).ended_with(4).stderr;
    assert!(told.contains("column `ordered_at` is missing, and no row can do without it"), "{told}");
    assert!(!told.contains("was it renamed"), "{told}");
}
