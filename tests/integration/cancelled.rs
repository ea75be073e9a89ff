//! Cancelled orders: they, their lines and their returns are in no table.

use arrow::datatypes::{DataType, TimeUnit};
use serde_json::{Value as Json, json};

use crate::program::Project;
use crate::shop::{batch, instant, write};

/// What an order became, long before the demo's last day or long after it.
fn status(order_id: i64, at: &str, status: &str) -> Json {
    json!({"order_id": order_id, "changed_at": at, "status": status, "ingested_at": at})
}

/// The only row of an answer.
fn only(project: &Project, query: &str) -> Json {
    let mut rows = project.show(query);
    assert_eq!(rows.len(), 1, "{query}");
    rows.remove(0)
}

#[test]
fn cancelled_orders_count_nowhere_and_reopened_ones_do() {
    let project = Project::unpublished_demo_with_sources();
    project.run(&[]).ended_with(0);
    let expected = |kept: &str| {
        let lines = "count(*) as lines, count(distinct order_id) as orders, sum(invoiced_sales) as invoiced, \
                     sum(returned_amount) as returned";
        only(&project, &format!("select {lines} from sales_lines where {kept}"))
    };
    let all = expected("true");
    let kept = expected("order_id % 10 <> 0");
    let gone = expected("order_id % 10 = 0");
    assert_ne!(gone["returned"], json!("0.00"), "some of them came back");

    let orders = project.show("select distinct order_id from sales_lines where order_id % 10 < 3");
    let mut rows = Vec::new();
    for order in orders.iter().map(|row| row["order_id"].as_i64().unwrap()) {
        match order % 10 {
            // The day begins at 23:00 in UTC: after every other change of the order before it.
            0 => rows.push(status(order, "2025-12-31T22:59:59Z", "cancelled")),
            1 => {
                rows.push(status(order, "2025-12-31T22:59:58Z", "cancelled"));
                rows.push(status(order, "2025-12-31T22:59:59Z", "placed"));
            }
            _ => rows.push(status(order, "2026-01-01T12:00:00Z", "cancelled")),
        }
    }
    let columns = [
        ("order_id", DataType::Int64),
        ("changed_at", instant(TimeUnit::Microsecond, Some("UTC"))),
        ("status", DataType::Utf8),
        ("ingested_at", instant(TimeUnit::Microsecond, Some("UTC"))),
    ];
    let folder = project.sources_folder().join("order_status");
    write(&folder.join("part.parquet"), &batch(&columns, &rows));
    project.run(&[]).ended_with(0);

    assert_eq!(expected("true"), kept, "of {all}, without {gone}");
    let ledger = only(&project, "select sum(orders) as orders, sum(returns) as returned from kpi_monthly");
    assert_eq!((&ledger["orders"], &ledger["returned"]), (&kept["orders"], &kept["returned"]));
    let profit =
        "select sum(orders) as orders, sum(returns) as returned from customer_pnl where period = 'lifetime'";
    let profit = only(&project, profit);
    assert_eq!((&profit["orders"], &profit["returned"]), (&kept["orders"], &kept["returned"]));
}
