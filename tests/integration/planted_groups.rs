//! The groups of customers that the demo planted are found again.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::program::demo;

/// How far two groupings agree: 1 is the same, 0 what chance gives (Hubert & Arabie 1985, "Comparing
/// partitions").
fn adjusted_rand_index(pairs: &[(i64, i64)]) -> f64 {
    let twos = |counts: &mut dyn Iterator<Item = u32>| -> f64 {
        counts.map(|count| f64::from(count) * (f64::from(count) - 1.0) / 2.0).sum()
    };
    let (mut both, mut left, mut right) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (one, other) in pairs {
        *both.entry((one, other)).or_insert(0_u32) += 1;
        *left.entry(one).or_insert(0_u32) += 1;
        *right.entry(other).or_insert(0_u32) += 1;
    }
    let all = twos(&mut std::iter::once(u32::try_from(pairs.len()).unwrap()));
    let (left, right) = (twos(&mut left.into_values()), twos(&mut right.into_values()));
    let by_chance = left * right / all;
    (twos(&mut both.into_values()) - by_chance) / (f64::midpoint(left, right) - by_chance)
}

/// What is true of each customer, in these columns, by customer: numbers, and days since 1970 for instants.
fn planted(columns: &[&str]) -> BTreeMap<i64, Vec<Option<f64>>> {
    let folder = demo().folder().join("demo/truth/customers");
    let mut planted = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap() {
        let file = fs::File::open(file.unwrap().path()).unwrap();
        for rows in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            let rows = rows.unwrap();
            let column = |name: &str| {
                let values = rows.column_by_name(name).unwrap();
                let values = if values.data_type().is_temporal() {
                    cast(&cast(values, &DataType::Date32).unwrap(), &DataType::Int32).unwrap()
                } else {
                    Arc::clone(values)
                };
                cast(&values, &DataType::Float64).unwrap()
            };
            let keys = cast(rows.column_by_name("customer_id").unwrap(), &DataType::Int64).unwrap();
            let values: Vec<ArrayRef> = columns.iter().map(|name| column(name)).collect();
            for (at, key) in keys.as_primitive::<Int64Type>().values().iter().enumerate() {
                let of = |values: &ArrayRef| {
                    values.is_valid(at).then(|| values.as_primitive::<Float64Type>().value(at))
                };
                planted.insert(*key, values.iter().map(of).collect());
            }
        }
    }
    planted
}

#[test]
fn planted_clusters_are_found_from_what_customers_buy() {
    let planted = planted(&["cluster"]);
    #[expect(clippy::cast_possible_truncation, reason = "the number of a cluster")]
    let cluster = |customer: i64| planted[&customer][0].unwrap() as i64;
    let found =
        demo().show("select customer_id, cluster_id, lines from clusters where cluster_id is not null");
    let of = |row: &serde_json::Value, name: &str| row[name].as_i64().unwrap();
    let pair = |row: &serde_json::Value| (cluster(of(row, "customer_id")), of(row, "cluster_id"));
    let all: Vec<(i64, i64)> = found.iter().map(pair).collect();
    let index = adjusted_rand_index(&all);
    println!("{} customers, adjusted Rand index {index:.3}", all.len());
    // Three in ten lines follow the planted cluster: of ten lines seven are chance, and a customer in
    // five is taken for another. scikit-learn's k-means on the same shares: 0.79 of 10,000 customers.
    assert!(index > 0.6, "{index}");
    // Who has bought more is told better.
    let many = found.iter().filter(|row| of(row, "lines") >= 20).map(pair);
    assert!(adjusted_rand_index(&many.collect::<Vec<_>>()) > index);
    // A grouping by chance agrees with nothing.
    let by_chance = found.iter().map(|row| (pair(row).0, of(row, "customer_id") % 4));
    assert!(adjusted_rand_index(&by_chance.collect::<Vec<_>>()).abs() < 0.1);
}

/// Tiers by shares of 80, 95 and 99 % of the value, as `value_tiers` cuts them.
fn tiers(values: &BTreeMap<i64, f64>) -> BTreeMap<i64, i64> {
    let mut ranked: Vec<(i64, f64)> = values.iter().map(|(customer, value)| (*customer, *value)).collect();
    ranked.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    let all: f64 = values.values().sum();
    let mut before = 0.0;
    let mut tier = |(customer, value): (i64, f64)| {
        let share = before / all;
        before += value;
        (customer, [0.80, 0.95, 0.99].iter().filter(|edge| share >= **edge).count().try_into().unwrap())
    };
    ranked.into_iter().map(&mut tier).collect()
}

#[test]
fn planted_tiers_are_found_as_far_as_a_year_tells_them() {
    let planted = planted(&["orders_per_day", "mean_order_value", "left_at"]);
    let rows = demo().show(
        "select t.customer_id, t.tier, cast(date_part('epoch', v.first_order_day) as bigint) / 86400 as first_day, \
         cast(date_part('epoch', t.as_of) as bigint) / 86400 as as_of_day \
         from value_tiers_latest as t inner join customer_value as v on t.customer_id = v.customer_id",
    );
    let mut expected = BTreeMap::new();
    for row in &rows {
        let customer = row["customer_id"].as_i64().unwrap();
        let [Some(rate), Some(amount), left] = planted[&customer][..] else { panic!("{customer}") };
        let end = row["as_of_day"].as_f64().unwrap();
        let days = left.unwrap_or(end).min(end) - row["first_day"].as_f64().unwrap().max(end - 365.0);
        expected.insert(customer, rate * amount * days.max(0.0));
    }
    let expected = tiers(&expected);
    let letter = |row: &serde_json::Value| "ABCD".find(row["tier"].as_str().unwrap()).unwrap();
    let pair = |row: &serde_json::Value| {
        (expected[&row["customer_id"].as_i64().unwrap()], i64::try_from(letter(row)).unwrap())
    };
    let pairs: Vec<(i64, i64)> = rows.iter().map(pair).collect();
    let index = adjusted_rand_index(&pairs);
    println!("{} customers, adjusted Rand index {index:.3}", pairs.len());
    // A customer has 1.7 orders in a year: one drawn anew by the same rates agrees with the planted tiers by no
    // more than 0.39, of 10,000 customers. The shipped tiers have 0.27 there, by scikit-learn's index.
    assert!(index > 0.15, "{index}");
    let far = pairs.iter().filter(|(planted, found)| planted.abs_diff(*found) > 1).count();
    assert!(4 * far < pairs.len(), "{far} of {} are two tiers off", pairs.len());
}
