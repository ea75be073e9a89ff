//! Every table, looked at as columns: keys, times, and what is broken on purpose.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};

use super::broken::{Counts, Originals};
use super::chunk::Chunk;
use super::table::{Side, Table};
use super::tests::company;

/// The keys of tables that grow with the customers, as `sql/staging/sources.yml` has them.
const GRAINS: [(Table, &[&str]); 24] = [
    (Table::Customers, &["customer_id"]),
    (Table::CustomerHistory, &["customer_id", "attribute", "valid_from"]),
    (Table::Consents, &["customer_id", "channel", "changed_at"]),
    (Table::Orders, &["order_id"]),
    (Table::OrderStatus, &["order_id", "changed_at", "status"]),
    (Table::OrderLines, &["order_id", "line_no"]),
    (Table::Returns, &["return_id"]),
    (Table::Contracts, &["contract_id"]),
    (Table::CampaignMembers, &["campaign_id", "party_id"]),
    (Table::Touches, &["touch_id"]),
    (Table::Leads, &["lead_id"]),
    (Table::LeadStatuses, &["lead_id", "changed_at"]),
    (Table::Opportunities, &["opportunity_id"]),
    (Table::OpportunityStages, &["opportunity_id", "changed_at"]),
    (Table::Prospects, &["party_id"]),
    (Table::PartyLinks, &["party_id", "customer_id"]),
    (Table::ServiceCases, &["case_id"]),
    (Table::Surveys, &["survey_id"]),
    (Table::SurveyAnswers, &["survey_id", "construct", "aspect", "item"]),
    (Table::Wallet, &["customer_id", "period_start", "category"]),
    (Table::Events, &["event_id"]),
    (Table::Needs, &["party_id", "need", "stated_at"]),
    (Table::Assignments, &["customer_id", "valid_from"]),
    (Table::PlannedContacts, &["campaign_id", "customer_id"]),
];

fn batches() -> Vec<(Table, RecordBatch)> {
    let (_, all) = company();
    Chunk::tables().zip(all.batches()).map(|(table, batch)| (table, batch.unwrap())).collect()
}

fn ids(batch: &RecordBatch, column: &str) -> BTreeSet<i64> {
    let values = batch.column_by_name(column).unwrap().as_primitive::<Int64Type>();
    values.iter().flatten().collect()
}

fn distinct(batch: &RecordBatch, columns: &[&str]) -> usize {
    let arrays = columns.iter().map(|name| batch.column_by_name(name).unwrap()).cloned().collect::<Vec<_>>();
    let fields = arrays.iter().map(|array| SortField::new(array.data_type().clone())).collect();
    let rows = RowConverter::new(fields).unwrap().convert_columns(&arrays).unwrap();
    rows.iter().map(|row| row.owned()).collect::<std::collections::HashSet<_>>().len()
}

#[test]
fn every_source_has_rows_and_its_key_is_unique() {
    let batches = batches();
    let known = GRAINS.map(|(table, _)| table).into_iter().collect::<BTreeSet<_>>();
    for (table, batch) in &batches {
        assert!(batch.num_rows() > 0, "{}", table.name());
        assert!(known.contains(table) || table.side() == Side::Truth, "{}", table.name());
    }
    for (table, grain) in GRAINS {
        let (_, batch) = batches.iter().find(|(of, _)| *of == table).unwrap();
        assert_eq!(distinct(batch, grain), batch.num_rows(), "{}", table.name());
        assert!(grain.iter().all(|name| batch.column_by_name(name).unwrap().null_count() == 0));
    }
}

#[test]
fn what_rows_refer_to_is_there() {
    let batches = batches();
    let of = |table: Table| &batches.iter().find(|(of, _)| *of == table).unwrap().1;
    let references = [
        (Table::OrderStatus, "order_id", Table::Orders),
        (Table::LeadStatuses, "lead_id", Table::Leads),
        (Table::OpportunityStages, "opportunity_id", Table::Opportunities),
        (Table::OpportunityStages, "order_id", Table::Orders),
        (Table::ServiceCases, "touch_id", Table::Touches),
        (Table::Surveys, "touch_id", Table::Touches),
        (Table::SurveyAnswers, "survey_id", Table::Surveys),
    ];
    for (table, column, parent) in references {
        let missing = ids(of(table), column).difference(&ids(of(parent), column)).count();
        assert_eq!(missing, 0, "{} of {}", column, table.name());
    }
    let customers = ids(of(Table::Customers), "customer_id");
    for (table, batch) in &batches {
        if batch.column_by_name("customer_id").is_some() {
            assert!(ids(batch, "customer_id").is_subset(&customers), "{}", table.name());
        }
    }
    let prospects = ids(of(Table::Prospects), "party_id");
    assert!(ids(of(Table::PartyLinks), "party_id").is_subset(&prospects));
    assert!(prospects.is_disjoint(&customers));
}

#[test]
fn nothing_but_plans_and_loads_is_dated_after_the_end() {
    let (company, _) = company();
    let mut late = 0;
    for (table, batch) in batches() {
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            if !matches!(field.data_type(), DataType::Timestamp(_, _)) {
                continue;
            }
            let ends = array.as_primitive::<TimestampMicrosecondType>().iter().flatten();
            let beyond = ends.filter(|at| *at >= company.history.until()).count();
            match field.name().as_str() {
                "ingested_at" => late += beyond,
                "planned_at" => assert_eq!(beyond, batch.num_rows()),
                name => assert_eq!(beyond, 0, "{name} of {}", table.name()),
            }
        }
    }
    assert!(late > 0, "some rows are known only after the last day");
}

#[test]
fn broken_rows_are_as_many_as_counted_and_only_they_are_broken() {
    let (company, _) = company();
    let batches = batches();
    let originals = Originals { part: 3, batches: &batches, until: company.history.until() };
    for (table, batch) in &batches {
        let mut counts = Counts::new();
        let broken = originals.broken(*table, 20_000, &mut counts).unwrap();
        if table.side() == Side::Truth {
            assert!(broken.is_none() && counts.is_empty());
            continue;
        }
        // 0.7 of a thousand: 14 of 20,000, in as many kinds as there are, evenly.
        assert_eq!(counts.values().sum::<i64>(), 14, "{}", table.name());
        let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
        assert!(most - least <= 1, "{}: {counts:?}", table.name());
        let broken = broken.unwrap();
        assert_eq!((broken.num_rows(), broken.schema()), (14, batch.schema()));
        assert!(originals.broken(*table, 1_000, &mut counts).unwrap().is_none());
    }
}
