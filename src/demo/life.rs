//! All that one customer leaves behind beside orders and contacts.

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::baskets::{Line, Order};
use super::chunk::Company;
use super::contacts::Touch;
use super::customers::{Customer, Nature};
use super::history::DAY;
use super::purchases::Purchases;
use super::records::{
    Assignment, Attribute, Case, Consent, Contract, Event, Lead, LeadStatus, Link, Need, Opportunity,
    Planned, Prospect, Score, Spend, Stage, Status, Survey,
};
use super::rows::{At, Row};
use super::streams::{Stream, between, float, whole};
use super::table::Table;
use super::truths::{ContractTruth, CustomerTruth};

/// One customer with what is known of them already.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    /// Where it happens.
    pub(super) company: &'a Company,
    /// Who.
    pub(super) customer: &'a Customer,
    /// How they behave.
    pub(super) nature: &'a Nature,
    /// When they order.
    pub(super) purchases: &'a Purchases,
    /// Their orders.
    pub(super) orders: &'a [Order],
    /// The lines of these.
    pub(super) lines: &'a [Line],
    /// Their contacts.
    pub(super) touches: &'a [Touch],
    /// The first id of their chunk.
    pub(super) first_id: i64,
}

impl Scene<'_> {
    /// The first instant that is no longer part of the history.
    pub(super) const fn until(&self) -> i64 {
        self.company.history.until()
    }

    /// A second between the arrival and the end of the history.
    pub(super) fn moment(&self, stream: &mut Stream) -> i64 {
        later(self.customer.created_at, float(self.until() - self.customer.created_at) / float(DAY), stream)
            .min(self.until() - 1_000_000)
    }

    /// `at`, if it is before the end.
    pub(super) fn past(&self, at: i64) -> Option<i64> {
        (at < self.until()).then_some(at)
    }

    /// The category of a line's product.
    pub(super) fn category(&self, line: &Line) -> Option<&'static str> {
        let place = usize::try_from(line.product_id - 1).ok()?;
        Some(self.company.range.products().get(place)?.category)
    }
}

/// A second within `days` days after `at`.
pub(super) fn later(at: i64, days: f64, stream: &mut Stream) -> i64 {
    at + whole(between(stream, 0.0, days) * 86_400.0) * 1_000_000
}

/// When a row of `at` with key `id` is loaded: the night after, or days later for one in fifty.
pub(super) fn loaded(at: i64, id: i64) -> At {
    let mixed = id.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let late = if mixed.is_multiple_of(super::figures::LATE_SHARE) { 1 + (mixed / 64) % 9 } else { 0 };
    let night = at.div_euclid(DAY) * DAY + DAY + DAY / 12;
    At(night + i64::try_from(late).unwrap_or_default() * DAY)
}

macro_rules! records {
    ($($(#[$doc:meta])* $field:ident: $row:ty;)+) => {
        /// The rows of some customers in tables that have rows of their own kind.
        #[derive(Debug, Default)]
        pub(super) struct Records {
            $($(#[$doc])* pub(super) $field: Vec<$row>),+
        }

        impl Records {
            /// Its tables.
            pub(super) const TABLES: &'static [Table] = &[$(<$row as Row>::TABLE),+];

            /// Its rows as one batch a table, in the order of [`Records::TABLES`].
            pub(super) fn batches(&self) -> Vec<Result<RecordBatch, ArrowError>> {
                vec![$(<$row as Row>::batch(&self.$field)),+]
            }

            /// Adds those of `other`.
            #[cfg(test)]
            pub(super) fn append(&mut self, other: &mut Self) {
                $(self.$field.append(&mut other.$field);)+
            }
        }
    };
}

records! {
    /// By customer, attribute and time.
    attributes: Attribute;
    /// By customer, channel and time.
    consents: Consent;
    /// By order and time.
    statuses: Status;
    /// By customer.
    contracts: Contract;
    /// By party.
    leads: Lead;
    /// By lead and time.
    lead_statuses: LeadStatus;
    /// By party.
    opportunities: Opportunity;
    /// By opportunity and time.
    stages: Stage;
    /// By party.
    prospects: Prospect;
    /// By customer.
    links: Link;
    /// By customer and time.
    cases: Case;
    /// By customer and time.
    surveys: Survey;
    /// By survey.
    scores: Score;
    /// By customer, period and category.
    wallet: Spend;
    /// By customer.
    events: Event;
    /// By party and rank.
    needs: Need;
    /// By customer and time.
    assignments: Assignment;
    /// By customer and campaign.
    planned: Planned;
    /// By customer.
    customer_truths: CustomerTruth;
    /// By contract.
    contract_truths: ContractTruth;
}

/// The next id of rows that begin at `first`.
pub(super) fn next_id<R>(first: i64, rows: &[R]) -> i64 {
    first + i64::try_from(rows.len()).unwrap_or_default()
}
