//! Segments on real data: what DuckDB counts, and the past as it was seen then.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::references::{assert_near, cents, reference, text, uci};

#[test]
fn a_wholesaler_s_segments_by_their_rules_at_each_end_of_a_month() {
    let expected = reference("segments_uci_or2_2009_2010.csv");
    let rows = uci().show(
        "select segment, snapshot_date as day, count(*) as customers from segment_matches \
         where is_member group by segment, snapshot_date",
    );
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

/// The customers of each segment on July 1, 2010.
const MEMBERS: &str = "select segment, customer_id from segment_membership \
     where valid_from <= date '2010-07-01' and (valid_to > date '2010-07-01' or valid_to is null)";

#[test]
fn a_day_of_the_past_is_as_a_run_of_that_day_saw_it() {
    let project = uci();
    let root = |name: &str| project.folder().join(name).display().to_string();
    let run = |root: &str, more: &[&str]| {
        let selected = ["run", "-s", "segment_membership", "--root", root];
        project.goodwill(&[&selected[..], more].concat()).ended_with(0);
    };
    let members = |root: &str| -> BTreeSet<(String, String)> {
        let query = ["show", MEMBERS, "--output", "json", "--limit", "100000", "--root", root];
        let shown = project.goodwill(&query).ended_with(0).json();
        let rows = shown["rows"].as_array().unwrap();
        rows.iter().map(|row| (text(&row["segment"]), text(&row["customer_id"]))).collect()
    };

    // December knows of no day before its own until the past is filled in.
    let december = root("december");
    run(&december, &[]);
    assert_eq!(members(&december), BTreeSet::new());
    let july = ["backfill", "-s", "segment_members", "--from", "2010-07-01", "--to", "2010-07-02"];
    project.goodwill(&[&july[..], &["--root", december.as_str()]].concat()).ended_with(0);
    run(&december, &[]);
    let later = members(&december);

    let july = root("july");
    run(&july, &["--as-of", "2010-07-01"]);
    let then = members(&july);
    assert!(then.len() > 5_000, "{} memberships", then.len());
    assert_eq!(later.symmetric_difference(&then).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
}

#[test]
fn a_rule_over_another_model_holds_for_those_whose_row_says_so() {
    let project = uci();
    let customers = |query: &str| -> BTreeSet<String> {
        project.show(query).iter().map(|row| text(&row["customer_id"])).collect()
    };
    let members =
        customers("select customer_id from segment_members_latest where segment = 'more_to_come_than_came'");
    let said = customers("select customer_id from customer_value where period_clv > historic_value");
    assert!(!members.is_empty());
    assert_eq!(members, said);
    // Together with a fact: tier A or B by the facts, P(alive) by the model.
    let members =
        customers("select customer_id from segment_members_latest where segment = 'valued_and_leaving'");
    let said = customers(
        "select v.customer_id from customer_value as v \
         inner join value_tiers_latest as t on v.customer_id = t.customer_id \
         where v.p_alive < 0.5 and t.tier in ('A', 'B')",
    );
    assert!(!members.is_empty());
    assert_eq!(members, said);
    let before = "select 1 as n from segment_matches where segment = 'valued_and_leaving' \
         and snapshot_date < date '2010-12-10'";
    assert_eq!(project.show(before), Vec::<Json>::new());
}
