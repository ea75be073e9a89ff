//! `kmeans_fit`: groups of rows, by what they are like.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type, Int64Type, Schema, UInt64Type};
use datafusion::common::{Result, ScalarValue, not_impl_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, ColumnarValue, Documentation, ReversedUDAF, Signature, Volatility,
};

use super::SECTION;
use crate::functions::fault::wrong_argument;
use crate::functions::sql_type;
use crate::stats::{Clustering, Points};

const NAME: &str = "kmeans_fit";

/// The most groups that may be asked for.
const MOST: i64 = 1_000;

/// The aggregate.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct KmeansFit {
    signature: Signature,
}

impl KmeansFit {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

fn list(of: DataType) -> DataType {
    DataType::new_list(of, true)
}

fn fields(named: &[(&str, DataType)]) -> Fields {
    named.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect()
}

fn cluster_fields() -> Fields {
    fields(&[("cluster", DataType::Int64), ("size", DataType::Int64), ("center", list(DataType::Float64))])
}

fn candidate_fields() -> Fields {
    fields(&[("k", DataType::Int64), ("inertia", DataType::Float64), ("silhouette", DataType::Float64)])
}

fn fit_fields() -> Fields {
    fields(&[
        ("status", DataType::Utf8),
        ("converged", DataType::Boolean),
        ("rows", DataType::Int64),
        ("k", DataType::Int64),
        ("seed", DataType::Int64),
        ("rounds", DataType::Int64),
        ("inertia", DataType::Float64),
        ("silhouette", DataType::Float64),
        ("means", list(DataType::Float64)),
        ("deviations", list(DataType::Float64)),
        ("clusters", list(DataType::Struct(cluster_fields()))),
        ("candidates", list(DataType::Struct(candidate_fields()))),
    ])
}

/// An argument that is the same for all rows.
fn constant(args: &AccumulatorArgs, at: usize, name: &str) -> Result<Option<ScalarValue>> {
    let Some(expression) = args.exprs.get(at) else { return Ok(None) };
    let empty = RecordBatch::new_empty(Arc::new(Schema::empty()));
    match expression.evaluate(&empty) {
        Ok(ColumnarValue::Scalar(value)) => Ok(Some(value)),
        _ => Err(wrong_argument(NAME, format!("`{name}` is not the same for all rows"))),
    }
}

/// The numbers of groups asked for.
fn numbers_of_groups(value: &ScalarValue) -> Result<Vec<usize>> {
    let asked: Vec<Option<i64>> = match value {
        ScalarValue::Int64(k) => vec![*k],
        ScalarValue::List(several) => several.values().as_primitive::<Int64Type>().iter().collect(),
        _ => Vec::new(),
    };
    let checked =
        asked.iter().map(|k| k.filter(|k| (1..=MOST).contains(k)).and_then(|k| usize::try_from(k).ok()));
    match checked.collect::<Option<Vec<usize>>>() {
        Some(numbers) if !numbers.is_empty() => Ok(numbers),
        _ => Err(wrong_argument(NAME, format!("k is no whole number from 1 to {MOST}, nor a list of such"))),
    }
}

impl AggregateUDFImpl for KmeansFit {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fit_fields()))
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let (features, k, seed) = match arguments {
            [features, k] => (features, k, None),
            [features, k, seed] => (features, k, Some(seed)),
            _ => return plan_err!("`{NAME}` takes a list of features, the number of groups, and a seed"),
        };
        match features {
            DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _)
                if of.data_type().is_numeric() || of.data_type().is_null() => {}
            other => {
                return plan_err!("`{NAME}` needs a list of numbers as features, not {}", sql_type(other));
            }
        }
        let k = match k {
            DataType::List(of) if of.data_type().is_integer() => list(DataType::Int64),
            whole if whole.is_integer() => DataType::Int64,
            other => {
                return plan_err!(
                    "`{NAME}` needs a whole number of groups, or a list of them, not {}",
                    sql_type(other)
                );
            }
        };
        let mut coerced = vec![list(DataType::Float64), k];
        match seed {
            Some(whole) if whole.is_integer() => coerced.push(DataType::Int64),
            Some(other) => {
                return plan_err!("`{NAME}` needs a whole number as seed, not {}", sql_type(other));
            }
            None => {}
        }
        Ok(coerced)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return not_impl_err!("`{NAME}` of distinct rows: two customers may be alike");
        }
        let wanted = numbers_of_groups(&constant(&args, 1, "k")?.unwrap_or(ScalarValue::Null))?;
        let seed = match constant(&args, 2, "seed")? {
            None => 1,
            Some(ScalarValue::Int64(Some(seed))) => seed,
            Some(_) => return Err(wrong_argument(NAME, "the seed is null")),
        };
        Ok(Box::new(Counted { wanted, seed, rows: HashMap::new(), impossible: 0 }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let state =
            |name, data_type| Arc::new(Field::new(format_state_name(args.name, name), data_type, true));
        Ok(vec![
            state("rows", list(list(DataType::Float64))),
            state("counts", list(DataType::UInt64)),
            state("impossible", DataType::UInt64),
        ])
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TEXT: LazyLock<Documentation> = LazyLock::new(documentation);
        Some(&TEXT)
    }
}

/// Distinct rows with their counts; doubles are told apart by their bits.
#[derive(Debug)]
struct Counted {
    wanted: Vec<usize>,
    seed: i64,
    rows: HashMap<Box<[u64]>, u64>,
    /// Rows with a number that is none, or with more or fewer features than others.
    impossible: u64,
}

impl Counted {
    fn add(&mut self, features: &ArrayRef, count: u64) {
        let features = features.as_primitive::<Float64Type>();
        // Nothing is known of who has no value.
        if features.null_count() > 0 {
            return;
        }
        let is_finite = features.values().iter().all(|value| value.is_finite());
        let is_alike = self.rows.keys().next().is_none_or(|known| known.len() == features.len());
        if !is_finite || !is_alike || features.is_empty() {
            self.impossible += count;
            return;
        }
        // 0 and -0 are one value.
        let key = features.values().iter().map(|value| (value + 0.0).to_bits()).collect();
        *self.rows.entry(key).or_default() += count;
    }

    fn total(&self) -> u64 {
        self.rows.values().sum::<u64>() + self.impossible
    }
}

impl Accumulator for Counted {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values[0].as_list::<i32>().iter().flatten().for_each(|features| self.add(&features, 1));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.impossible > 0 || self.rows.is_empty() {
            let status = if self.impossible > 0 { "impossible_row" } else { "no_rows" };
            return unfitted(status, self.total(), self.seed);
        }
        let dimensions = self.rows.keys().next().map_or(0, |row| row.len());
        let rows = self.rows.iter().map(|(bits, count)| {
            (bits.iter().map(|value| f64::from_bits(*value)).collect::<Vec<f64>>(), *count)
        });
        let points = Points::new(dimensions, rows);
        fitted(&Clustering::find(&points, &self.wanted, self.seed.cast_unsigned()), self.total(), self.seed)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (mut rows, mut counts) = (Vec::new(), Vec::new());
        for (bits, count) in &self.rows {
            rows.push(doubles(bits.iter().map(|value| f64::from_bits(*value))));
            counts.push(ScalarValue::from(*count));
        }
        Ok(vec![
            ScalarValue::List(ScalarValue::new_list(&rows, &list(DataType::Float64), true)),
            ScalarValue::List(ScalarValue::new_list(&counts, &DataType::UInt64, true)),
            ScalarValue::from(self.impossible),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.impossible += states[2].as_primitive::<UInt64Type>().iter().flatten().sum::<u64>();
        let (rows, counts) = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
        for (rows, counts) in rows.iter().zip(counts.iter()) {
            let (Some(rows), Some(counts)) = (rows, counts) else { continue };
            let counts = counts.as_primitive::<UInt64Type>();
            for (features, count) in rows.as_list::<i32>().iter().zip(counts.values()) {
                if let Some(features) = features {
                    self.add(&features, *count);
                }
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        let features = self.rows.keys().next().map_or(0, |row| row.len());
        size_of_val(self)
            + self.rows.capacity() * (size_of::<Box<[u64]>>() + size_of::<u64>() * (features + 1))
    }
}

fn doubles(values: impl Iterator<Item = f64>) -> ScalarValue {
    let values: Vec<ScalarValue> = values.map(ScalarValue::from).collect();
    ScalarValue::List(ScalarValue::new_list(&values, &DataType::Float64, true))
}

fn whole(value: impl TryInto<i64>) -> ScalarValue {
    ScalarValue::Int64(value.try_into().ok())
}

fn row(fields: Fields, values: &[ScalarValue]) -> Result<StructArray> {
    let columns = values.iter().map(ScalarValue::to_array).collect::<Result<Vec<_>>>()?;
    Ok(StructArray::try_new(fields, columns, None)?)
}

fn rows(fields: &Fields, values: &[Vec<ScalarValue>]) -> Result<ScalarValue> {
    let rows = values.iter().map(|values| Ok(ScalarValue::Struct(Arc::new(row(fields.clone(), values)?))));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list(&rows, &DataType::Struct(fields.clone()), true)))
}

fn unfitted(status: &str, total: u64, seed: i64) -> Result<ScalarValue> {
    let known = |field: &FieldRef| match field.name().as_str() {
        "status" => Ok(ScalarValue::from(status)),
        "converged" => Ok(ScalarValue::from(false)),
        "rows" => Ok(whole(total)),
        "seed" => Ok(ScalarValue::from(seed)),
        _ => ScalarValue::try_from(field.data_type()),
    };
    let values = fit_fields().iter().map(known).collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::Struct(Arc::new(row(fit_fields(), &values)?)))
}

fn fitted(found: &Clustering, total: u64, seed: i64) -> Result<ScalarValue> {
    let k = found.clusters.len();
    let silhouette = found.candidates.iter().find(|tried| tried.k == k).and_then(|tried| tried.silhouette);
    let clusters = found.clusters.iter().enumerate().map(|(at, cluster)| {
        vec![whole(at + 1), whole(cluster.size), doubles(cluster.center.iter().copied())]
    });
    let candidates = found.candidates.iter().map(|tried| {
        vec![whole(tried.k), ScalarValue::from(tried.inertia), ScalarValue::Float64(tried.silhouette)]
    });
    let values = [
        ScalarValue::from(if found.converged { "ok" } else { "not_converged" }),
        ScalarValue::from(found.converged),
        whole(total),
        whole(k),
        ScalarValue::from(seed),
        whole(found.rounds),
        ScalarValue::from(found.inertia),
        ScalarValue::Float64(silhouette),
        doubles(found.scale.means.iter().copied()),
        doubles(found.scale.deviations.iter().copied()),
        rows(&cluster_fields(), &clusters.collect::<Vec<_>>())?,
        rows(&candidate_fields(), &candidates.collect::<Vec<_>>())?,
    ];
    Ok(ScalarValue::Struct(Arc::new(row(fit_fields(), &values)?)))
}

fn documentation() -> Documentation {
    Documentation::builder(
        SECTION,
        "Finds groups of rows that are like each other: k-means. Each feature is made comparable first \
        (less its mean, by its standard deviation), so one in days counts as much as one in euros; take the \
        logarithm, `ln(1 + x)`, of those that are skewed. Each row belongs to the nearest of k centres, each centre \
        is the mean of its rows (Lloyd 1982); started by k-means++ (Arthur & Vassilvitskii 2007), the best of 8 \
        starts. Of a list of numbers of groups the one with the best mean silhouette is taken (Rousseeuw 1987), of \
        equal ones the smaller. Starts and silhouettes are judged on at most 5,000 rows spread evenly over all; \
        the groups are then of all rows.\n\n\
        Gives a STRUCT: status (`ok`, `not_converged` after 300 rounds, `no_rows`, `impossible_row` where a \
        feature is NaN or infinite or rows have not the same number of them), converged, rows, k, seed, rounds, inertia (the \
        sum of squared distances to the centres, in standard deviations), silhouette (-1 to 1; null for one group), means and deviations of \
        the features, clusters (a list of STRUCT: cluster from 1, the largest first; size; center, in the features' \
        own units) and candidates (k, inertia and silhouette of each number that was tried): `unnest(fit['clusters'])` gives them a row each. Rows with a null are left out. There are never \
        more groups than distinct rows; a feature that is the same in all rows counts for nothing. The same bits whatever the order of \
        rows. Kept in memory: the distinct rows with their counts.",
        "kmeans_fit(features, k[, seed])",
    )
    .with_argument("features", "What the rows are like: a list of numbers, such as `make_array(ln(1 + orders), ln(1 + days))`.")
    .with_argument("k", "How many groups, or a list of numbers to choose from, such as `make_array(3, 4, 5)` or `range(2, 9)`; the same for all rows.")
    .with_argument("seed", "Which chance the starts are drawn by; 1 if left out.")
    .with_sql_example(
"select kmeans_fit(make_array(ln(1 + orders), ln(1 + days)), range(2, 4), 7) as fit\n\
from (values (1, 200), (2, 180), (1, 220), (9, 10), (8, 12), (9, 14)) as customers (orders, days)"
)
.build()
}
