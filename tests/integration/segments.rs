//! Segments on real data: what DuckDB counts, and the past as it was seen then.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::references::{assert_near, cents, reference, text, uci};

#[test]
fn members_of_a_wholesaler_s_segments_at_each_end_of_a_month() {
    let expected = reference("segments_uci_or2_2009_2010.csv");
    let dates: BTreeSet<&String> = expected.iter().map(|row| &row["snapshot_date"]).collect();
    let dates: Vec<String> = dates.iter().map(|date| format!("(date '{date}')")).collect();
    let rows = uci().show(&format!(
        "select m.segment, d.day, count(*) as customers from segment_membership as m \
         inner join (values {}) as d (day) on m.valid_from <= d.day and (m.valid_to > d.day or m.valid_to is null) \
         group by m.segment, d.day",
        dates.join(", ")
    ));
    let key = |row: &Json| (text(&row["segment"]), text(&row["day"]));
    let found: BTreeMap<_, _> = rows.iter().map(|row| (key(row), text(&row["customers"]))).collect();
    for row in &expected {
        let key = (row["segment"].clone(), row["snapshot_date"].clone());
        let customers = found.get(&key).map_or("0", String::as_str);
        assert_eq!(customers, row["customers"], "{key:?}");
    }
    assert_eq!(expected.len(), 14 * 13);
}

#[test]
fn overlaps_of_a_wholesaler_s_segments() {
    let rows = uci().show("select * from segment_overlap");
    let found: BTreeMap<String, &Json> = rows.iter().map(|row| (text(&row["segment_set"]), row)).collect();
    for row in &reference("segment_overlap_uci_or2_2009_2010.csv") {
        let set = &row["segment_set"];
        let ours = found.get(set).unwrap_or_else(|| panic!("{set} is not there"));
        for count in ["set_size", "overlap_customers", "union_customers"] {
            assert_eq!(text(&ours[count]), row[count], "{count} of {set}");
        }
        assert_eq!(cents(&text(&ours["net_sales_365_days"])), cents(&row["net_sales_365_days"]), "{set}");
        for ratio in ["jaccard", "lift"] {
            match ours[ratio].as_f64() {
                Some(found) => assert_near(found, &row[ratio], 1e-9),
                None => assert_eq!(row[ratio], "", "{ratio} of {set}"),
            }
        }
    }
}

/// The customers of each segment on July 1, 2010, of those who had ordered by then.
///
/// Who had only sent things back is no customer of a run of that day: the mapping keeps returns of
/// those only who ever order.
const MEMBERS: &str = "select segment, customer_id from segment_membership \
     where valid_from <= date '2010-07-01' and (valid_to > date '2010-07-01' or valid_to is null) \
     and customer_id in (select customer_id from sales_lines where order_day < date '2010-07-01')";

#[test]
fn a_day_of_the_past_is_as_a_run_of_that_day_saw_it() {
    let project = uci();
    let members = |rows: Vec<Json>| -> BTreeSet<(String, String)> {
        rows.iter().map(|row| (text(&row["segment"]), text(&row["customer_id"]))).collect()
    };
    let later = members(project.show(MEMBERS));
    let root = project.folder().join("july").display().to_string();
    let july = ["--root", root.as_str(), "--as-of", "2010-07-01"];
    project.goodwill(&["run", july[0], july[1], july[2], july[3]]).ended_with(0);
    let shown =
        project.goodwill(&["show", MEMBERS, "--output", "json", "--limit", "100000", july[0], july[1]]);
    let then = members(shown.json()["rows"].as_array().unwrap().clone());
    assert!(then.len() > 5_000, "{} memberships", then.len());
    assert_eq!(later.symmetric_difference(&then).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
}
