//! The columns of each source, and rows as record batches.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

use super::baskets::{Line, Order, Return};
use super::campaigns::Campaign;
use super::constants::Direction;
use super::contacts::{Member, Touch};
use super::customers::{Customer, Origin};
use super::products::{Product, ProductCost};

/// A source of the demo company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Table {
    /// One row a customer.
    Customers,
    /// One row a product.
    Products,
    /// One row a product and instant its cost changed.
    ProductCosts,
    /// One row an order.
    Orders,
    /// One row a line of an order.
    OrderLines,
    /// One row a line that came back.
    Returns,
    /// One row a campaign.
    Campaigns,
    /// One row a campaign and customer on its list.
    CampaignMembers,
    /// One row a contact.
    Touches,
}

impl Table {
    /// All of them, in the order people read about them.
    pub(super) const ALL: [Self; 9] = [
        Self::Customers,
        Self::Products,
        Self::ProductCosts,
        Self::Orders,
        Self::OrderLines,
        Self::Returns,
        Self::Campaigns,
        Self::CampaignMembers,
        Self::Touches,
    ];

    /// The name of the source and of its folder.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Products => "products",
            Self::ProductCosts => "product_costs",
            Self::Orders => "orders",
            Self::OrderLines => "order_lines",
            Self::Returns => "returns",
            Self::Campaigns => "campaigns",
            Self::CampaignMembers => "campaign_members",
            Self::Touches => "touches",
        }
    }

    /// Its columns.
    pub(super) fn schema(self) -> SchemaRef {
        let fields = match self {
            Self::Customers => customer_fields(),
            Self::Products | Self::ProductCosts => product_fields(self),
            Self::Orders | Self::OrderLines | Self::Returns => order_fields(self),
            Self::Campaigns | Self::CampaignMembers | Self::Touches => campaign_fields(self),
        };
        Arc::new(Schema::new(fields))
    }
}

const MONEY: DataType = DataType::Decimal128(18, 2);

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A column without NULLs.
fn full(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

/// A column that may have NULLs.
fn some(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn customer_fields() -> Vec<Field> {
    vec![
        full("customer_id", DataType::Int64),
        full("created_at", instant()),
        full("kind", DataType::Utf8),
        some("birth_year", DataType::Int32),
        some("gender", DataType::Utf8),
        some("occupation", DataType::Utf8),
        full("region", DataType::Utf8),
        some("income_band", DataType::Utf8),
        some("household_size", DataType::Int32),
        some("industry", DataType::Utf8),
        some("company_size", DataType::Utf8),
        some("account_id", DataType::Int64),
        some("referrer_id", DataType::Int64),
        some("referral_incentive", MONEY),
        some("would_have_come_anyway", DataType::Boolean),
        some("acquisition_campaign_id", DataType::Int64),
        some("acquisition_cost", MONEY),
    ]
}

fn product_fields(table: Table) -> Vec<Field> {
    if table == Table::ProductCosts {
        return vec![
            full("product_id", DataType::Int64),
            full("valid_from", instant()),
            full("unit_cost", MONEY),
        ];
    }
    vec![
        full("product_id", DataType::Int64),
        full("name", DataType::Utf8),
        full("category", DataType::Utf8),
        full("brand", DataType::Utf8),
        full("is_durable", DataType::Boolean),
        full("list_price", MONEY),
        full("launched_at", instant()),
    ]
}

fn order_fields(table: Table) -> Vec<Field> {
    match table {
        Table::Orders => vec![
            full("order_id", DataType::Int64),
            full("customer_id", DataType::Int64),
            full("ordered_at", instant()),
            full("sales_channel", DataType::Utf8),
            some("store_id", DataType::Int64),
            full("fulfilment_cost", MONEY),
            full("payment_cost", MONEY),
            some("sales_rep_id", DataType::Int64),
        ],
        Table::OrderLines => vec![
            full("order_id", DataType::Int64),
            full("line_no", DataType::Int32),
            full("product_id", DataType::Int64),
            full("quantity", DataType::Int32),
            full("unit_price", MONEY),
            full("discount_amount", MONEY),
            full("coupon_amount", MONEY),
            some("campaign_id", DataType::Int64),
        ],
        _ => vec![
            full("return_id", DataType::Int64),
            full("order_id", DataType::Int64),
            full("line_no", DataType::Int32),
            full("returned_at", instant()),
            full("quantity", DataType::Int32),
            full("amount", MONEY),
        ],
    }
}

fn campaign_fields(table: Table) -> Vec<Field> {
    match table {
        Table::Campaigns => vec![
            full("campaign_id", DataType::Int64),
            some("parent_campaign_id", DataType::Int64),
            full("name", DataType::Utf8),
            full("kind", DataType::Utf8),
            full("purpose", DataType::Utf8),
            full("channel", DataType::Utf8),
            full("started_at", instant()),
            some("ended_at", instant()),
            full("lookback_days", DataType::Int32),
            some("material_id", DataType::Int64),
        ],
        Table::CampaignMembers => vec![
            full("campaign_id", DataType::Int64),
            full("party_id", DataType::Int64),
            full("arm", DataType::Utf8),
            full("assigned_at", instant()),
            full("segment", DataType::Utf8),
        ],
        _ => vec![
            full("touch_id", DataType::Int64),
            some("campaign_id", DataType::Int64),
            full("party_id", DataType::Int64),
            full("channel", DataType::Utf8),
            full("touched_at", instant()),
            full("direction", DataType::Utf8),
            full("purpose", DataType::Utf8),
            full("kind", DataType::Utf8),
            some("rating", DataType::Int32),
            full("cost", MONEY),
            full("is_commercial", DataType::Boolean),
            some("sales_rep_id", DataType::Int64),
        ],
    }
}

type Batch = Result<RecordBatch, ArrowError>;

fn batch(table: Table, columns: Vec<ArrayRef>) -> Batch {
    RecordBatch::try_new(table.schema(), columns)
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
    ];
    batch(Table::Touches, columns)
}
