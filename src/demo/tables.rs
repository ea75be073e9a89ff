//! The columns and record batches of the sources whose rows have modules of their own.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::baskets::{Line, Order, Return};
use super::campaigns::Campaign;
use super::constants::Direction;
use super::contacts::{Member, Touch};
use super::customers::{Customer, Origin};
use super::life::loaded;
use super::products::{Product, ProductCost};
use super::rows::{MONEY, instant};
use super::table::Table;

/// The columns of a table whose rows are made in a module of their own.
pub(super) fn schema(table: Table) -> SchemaRef {
    let fields = match table {
        Table::Customers => customer_fields(),
        Table::Products | Table::ProductCosts => product_fields(table),
        Table::Orders | Table::OrderLines | Table::Returns => order_fields(table),
        _ => campaign_fields(table),
    };
    Arc::new(Schema::new(fields))
}

/// A column. Each may have NULLs, as in most companies' files: broken rows have them anywhere.
fn column(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn customer_fields() -> Vec<Field> {
    vec![
        column("customer_id", DataType::Int64),
        column("created_at", instant()),
        column("kind", DataType::Utf8),
        column("birth_year", DataType::Int32),
        column("gender", DataType::Utf8),
        column("occupation", DataType::Utf8),
        column("region", DataType::Utf8),
        column("income_band", DataType::Utf8),
        column("household_size", DataType::Int32),
        column("industry", DataType::Utf8),
        column("company_size", DataType::Utf8),
        column("account_id", DataType::Int64),
        column("referrer_id", DataType::Int64),
        column("referral_incentive", MONEY),
        column("would_have_come_anyway", DataType::Boolean),
        column("acquisition_campaign_id", DataType::Int64),
        column("acquisition_cost", MONEY),
    ]
}

fn product_fields(table: Table) -> Vec<Field> {
    if table == Table::ProductCosts {
        return vec![
            column("product_id", DataType::Int64),
            column("valid_from", instant()),
            column("unit_cost", MONEY),
        ];
    }
    vec![
        column("product_id", DataType::Int64),
        column("name", DataType::Utf8),
        column("category", DataType::Utf8),
        column("brand", DataType::Utf8),
        column("is_durable", DataType::Boolean),
        column("list_price", MONEY),
        column("launched_at", instant()),
    ]
}

fn order_fields(table: Table) -> Vec<Field> {
    match table {
        Table::Orders => vec![
            column("order_id", DataType::Int64),
            column("customer_id", DataType::Int64),
            column("ordered_at", instant()),
            column("sales_channel", DataType::Utf8),
            column("store_id", DataType::Int64),
            column("fulfilment_cost", MONEY),
            column("payment_cost", MONEY),
            column("sales_rep_id", DataType::Int64),
        ],
        Table::OrderLines => vec![
            column("order_id", DataType::Int64),
            column("line_no", DataType::Int32),
            column("product_id", DataType::Int64),
            column("quantity", DataType::Int32),
            column("unit_price", MONEY),
            column("discount_amount", MONEY),
            column("coupon_amount", MONEY),
            column("campaign_id", DataType::Int64),
        ],
        _ => vec![
            column("return_id", DataType::Int64),
            column("order_id", DataType::Int64),
            column("line_no", DataType::Int32),
            column("returned_at", instant()),
            column("quantity", DataType::Int32),
            column("amount", MONEY),
            column("ingested_at", instant()),
        ],
    }
}

fn campaign_fields(table: Table) -> Vec<Field> {
    match table {
        Table::Campaigns => vec![
            column("campaign_id", DataType::Int64),
            column("parent_campaign_id", DataType::Int64),
            column("name", DataType::Utf8),
            column("kind", DataType::Utf8),
            column("purpose", DataType::Utf8),
            column("channel", DataType::Utf8),
            column("started_at", instant()),
            column("ended_at", instant()),
            column("lookback_days", DataType::Int32),
            column("material_id", DataType::Int64),
        ],
        Table::CampaignMembers => vec![
            column("campaign_id", DataType::Int64),
            column("party_id", DataType::Int64),
            column("arm", DataType::Utf8),
            column("assigned_at", instant()),
            column("segment", DataType::Utf8),
        ],
        _ => vec![
            column("touch_id", DataType::Int64),
            column("campaign_id", DataType::Int64),
            column("party_id", DataType::Int64),
            column("channel", DataType::Utf8),
            column("touched_at", instant()),
            column("direction", DataType::Utf8),
            column("purpose", DataType::Utf8),
            column("kind", DataType::Utf8),
            column("rating", DataType::Int32),
            column("cost", MONEY),
            column("is_commercial", DataType::Boolean),
            column("sales_rep_id", DataType::Int64),
            column("ingested_at", instant()),
        ],
    }
}

type Batch = Result<RecordBatch, ArrowError>;

fn batch(table: Table, columns: Vec<ArrayRef>) -> Batch {
    RecordBatch::try_new(schema(table), columns)
}

fn ids<R>(rows: &[R], get: impl Fn(&R) -> Option<i64>) -> ArrayRef {
    Arc::new(rows.iter().map(get).collect::<Int64Array>())
}

fn numbers<R>(rows: &[R], get: impl Fn(&R) -> Option<i32>) -> ArrayRef {
    Arc::new(rows.iter().map(get).collect::<Int32Array>())
}

fn texts<'a, R>(rows: &'a [R], get: impl Fn(&'a R) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(get).collect::<StringArray>())
}

fn flags<R>(rows: &[R], get: impl Fn(&R) -> Option<bool>) -> ArrayRef {
    Arc::new(rows.iter().map(get).collect::<BooleanArray>())
}

fn instants<R>(rows: &[R], get: impl Fn(&R) -> Option<i64>) -> ArrayRef {
    let found = rows.iter().map(get).collect::<TimestampMicrosecondArray>();
    Arc::new(found.with_timezone("UTC"))
}

/// Amounts from cents.
fn money<R>(rows: &[R], get: impl Fn(&R) -> Option<i64>) -> ArrayRef {
    let cents = rows.iter().map(|row| get(row).map(i128::from));
    Arc::new(cents.collect::<Decimal128Array>().with_data_type(MONEY))
}

/// Customers as rows.
pub(super) fn customers(rows: &[Customer]) -> Batch {
    let firm = |row: &Customer| row.firm.as_ref().map(|firm| firm.account_id);
    let columns = vec![
        ids(rows, |row| Some(row.customer_id)),
        instants(rows, |row| Some(row.created_at)),
        texts(rows, |row| Some(row.kind())),
        numbers(rows, |row| row.person.birth_year),
        texts(rows, |row| row.person.gender),
        texts(rows, |row| row.person.occupation),
        texts(rows, |row| Some(row.region)),
        texts(rows, |row| row.person.income_band),
        numbers(rows, |row| row.person.household_size),
        texts(rows, |row| row.firm.as_ref().map(|firm| firm.industry)),
        texts(rows, |row| row.firm.as_ref().map(|firm| firm.company_size)),
        ids(rows, firm),
        ids(rows, |row| match row.origin {
            Origin::Referred { referrer_id, .. } => Some(referrer_id),
            _ => None,
        }),
        money(rows, |row| row.origin.incentive()),
        flags(rows, |row| match row.origin {
            Origin::Referred { anyway, .. } => Some(anyway),
            _ => None,
        }),
        ids(rows, |row| match row.origin {
            Origin::Campaign { campaign_id, .. } => Some(campaign_id),
            _ => None,
        }),
        money(rows, |row| match row.origin {
            Origin::Campaign { cost, .. } => Some(cost),
            _ => None,
        }),
    ];
    batch(Table::Customers, columns)
}

/// Products as rows.
pub(super) fn products(rows: &[Product]) -> Batch {
    let columns = vec![
        ids(rows, |row| Some(row.product_id)),
        texts(rows, |row| Some(&row.name)),
        texts(rows, |row| Some(row.category)),
        texts(rows, |row| Some(row.brand)),
        flags(rows, |row| Some(row.is_durable)),
        money(rows, |row| Some(row.list_price)),
        instants(rows, |row| Some(row.launched_at)),
    ];
    batch(Table::Products, columns)
}

/// Costs as rows.
pub(super) fn product_costs(rows: &[ProductCost]) -> Batch {
    let columns = vec![
        ids(rows, |row| Some(row.product_id)),
        instants(rows, |row| Some(row.valid_from)),
        money(rows, |row| Some(row.unit_cost)),
    ];
    batch(Table::ProductCosts, columns)
}

/// Orders as rows.
pub(super) fn orders(rows: &[Order]) -> Batch {
    let columns = vec![
        ids(rows, |row| Some(row.order_id)),
        ids(rows, |row| Some(row.customer_id)),
        instants(rows, |row| Some(row.ordered_at)),
        texts(rows, |row| Some(row.sales_channel)),
        ids(rows, |row| row.store_id),
        money(rows, |row| Some(row.fulfilment_cost)),
        money(rows, |row| Some(row.payment_cost)),
        ids(rows, |row| row.sales_rep_id),
    ];
    batch(Table::Orders, columns)
}

/// Lines as rows.
pub(super) fn order_lines(rows: &[Line]) -> Batch {
    let columns = vec![
        ids(rows, |row| Some(row.order_id)),
        numbers(rows, |row| Some(row.line_no)),
        ids(rows, |row| Some(row.product_id)),
        numbers(rows, |row| Some(row.quantity)),
        money(rows, |row| Some(row.unit_price)),
        money(rows, |row| Some(row.discount_amount)),
        money(rows, |row| Some(row.coupon_amount)),
        ids(rows, |row| row.campaign_id),
    ];
    batch(Table::OrderLines, columns)
}

/// Returns as rows.
pub(super) fn returns(rows: &[Return]) -> Batch {
    let columns = vec![
        ids(rows, |row| Some(row.return_id)),
        ids(rows, |row| Some(row.order_id)),
        numbers(rows, |row| Some(row.line_no)),
        instants(rows, |row| Some(row.returned_at)),
        numbers(rows, |row| Some(row.quantity)),
        money(rows, |row| Some(row.amount)),
        instants(rows, |row| Some(loaded(row.returned_at, row.return_id).0)),
    ];
    batch(Table::Returns, columns)
}

/// Campaigns as rows; one that ends at or after `until` has no end yet.
pub(super) fn campaigns(rows: &[Campaign], until: i64) -> Batch {
    let text = |get: fn(&super::constants::Programme) -> &'static str, plan: &'static str| {
        texts(rows, move |row| Some(row.programme.map_or(plan, get)))
    };
    let columns = vec![
        ids(rows, |row| Some(row.campaign_id)),
        ids(rows, |row| row.parent_campaign_id),
        texts(rows, |row| Some(&row.name)),
        text(|programme| programme.kind, "advertising"),
        text(|programme| programme.purpose, "brand"),
        text(|programme| programme.channel, "all"),
        instants(rows, |row| Some(row.started_at)),
        instants(rows, |row| Some(row.ends_at).filter(|end| *end < until)),
        numbers(rows, |row| Some(row.programme.map_or(0, |programme| programme.lookback_days))),
        ids(rows, |row| row.programme.map(|_| 1_000 + row.campaign_id)),
    ];
    batch(Table::Campaigns, columns)
}

/// Campaign members as rows.
pub(super) fn campaign_members(rows: &[Member]) -> Batch {
    let columns = vec![
        ids(rows, |row| Some(row.campaign_id)),
        ids(rows, |row| Some(row.party_id)),
        texts(rows, |row| Some(row.arm)),
        instants(rows, |row| Some(row.assigned_at)),
        texts(rows, |row| Some(row.segment)),
    ];
    batch(Table::CampaignMembers, columns)
}

/// Touches as rows.
pub(super) fn touches(rows: &[Touch]) -> Batch {
    let direction = |row: &Touch| match row.direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    let columns = vec![
        ids(rows, |row| Some(row.touch_id)),
        ids(rows, |row| row.campaign_id),
        ids(rows, |row| Some(row.party_id)),
        texts(rows, |row| Some(row.channel)),
        instants(rows, |row| Some(row.touched_at)),
        texts(rows, |row| Some(direction(row))),
        texts(rows, |row| Some(row.purpose)),
        texts(rows, |row| Some(row.kind)),
        numbers(rows, |row| row.rating),
        money(rows, |row| Some(row.cost)),
        flags(rows, |row| Some(row.is_commercial)),
        ids(rows, |row| row.sales_rep_id),
        instants(rows, |row| Some(loaded(row.touched_at, row.touch_id).0)),
    ];
    batch(Table::Touches, columns)
}
