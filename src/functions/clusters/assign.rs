//! `kmeans_assign`: which group a row is in.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::SECTION;
use crate::functions::fault::impossible;
use crate::functions::sql_type;
use crate::stats::nearest;

const NAME: &str = "kmeans_assign";

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct KmeansAssign {
    signature: Signature,
}

impl KmeansAssign {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// Whether `data_type` is that of a fit.
fn is_fit(data_type: &DataType) -> bool {
    let DataType::Struct(fields) = data_type else { return false };
    let is_list = |name: &str, of: fn(&Field) -> bool| {
        let found = fields.find(name).map(|(_, field)| field.data_type());
        matches!(found, Some(DataType::List(element)) if of(element))
    };
    let is_cluster = |element: &Field| match element.data_type() {
        DataType::Struct(fields) => {
            let is = |name: &str, data_type: &DataType| {
                fields.find(name).is_some_and(|(_, field)| field.data_type() == data_type)
            };
            is("cluster", &DataType::Int64) && is("center", &DataType::new_list(DataType::Float64, true))
        }
        _ => false,
    };
    is_list("deviations", |element| *element.data_type() == DataType::Float64)
        && is_list("clusters", is_cluster)
}

impl ScalarUDFImpl for KmeansAssign {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [fit, features] = arguments else {
            return plan_err!("`{NAME}` takes what `kmeans_fit` gave, and a list of features");
        };
        if !is_fit(fit) {
            return plan_err!("`{NAME}` needs what `kmeans_fit` gave first, not {}", sql_type(fit));
        }
        match features {
            DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _)
                if of.data_type().is_numeric() || of.data_type().is_null() =>
            {
                Ok(vec![fit.clone(), DataType::new_list(DataType::Float64, true)])
            }
            other => plan_err!("`{NAME}` needs a list of numbers as features, not {}", sql_type(other)),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [fit, features] = args.args.as_slice() else {
            return exec_err!("`{NAME}` takes what `kmeans_fit` gave, and a list of features");
        };
        let rows = args.number_rows;
        // A fit that is the same for all rows is read once.
        let (fit, is_one) = match fit {
            ColumnarValue::Scalar(fit) => (fit.to_array()?, true),
            ColumnarValue::Array(fits) => (Arc::clone(fits), false),
        };
        let features = features.to_array(rows)?;
        let fits = Fits::of(&fit)?;
        let features = features.as_list::<i32>();
        let groups = (0..rows).map(|row| {
            if features.is_null(row) {
                return Ok(None);
            }
            fits.group(if is_one { 0 } else { row }, &features.value(row))
        });
        let groups = groups.collect::<Result<Int64Array>>()?;
        Ok(ColumnarValue::Array(Arc::new(groups)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TEXT: LazyLock<Documentation> = LazyLock::new(|| {
            Documentation::builder(
                SECTION,
                "The number of the group whose centre is nearest, distances measured in the standard deviations of the \
                fit; of equally near ones the first. Null where a feature is null, and where the fit has no groups.",
                "kmeans_assign(fit, features)",
            )
            .with_argument("fit", "What `kmeans_fit` gave.")
            .with_argument("features", "The row's features, as many as the fit has and in the same order.")
            .with_sql_example(
"with customers as (\n    select customer, make_array(orders, days) as features\n    \
from (values ('a', 1.0, 200.0), ('b', 2.0, 180.0), ('c', 9.0, 10.0)) as t (customer, orders, days)\n)\n\
select c.customer, kmeans_assign(f.fit, c.features) as cluster_id\nfrom customers as c\n\
cross join (select kmeans_fit(features, 2) as fit from customers) as f"
)
.build()
        });
        Some(&TEXT)
    }
}

/// The fits of a batch.
struct Fits<'a> {
    deviations: &'a arrow::array::ListArray,
    clusters: &'a arrow::array::ListArray,
    given: &'a ArrayRef,
}

impl<'a> Fits<'a> {
    fn of(fits: &'a ArrayRef) -> Result<Self> {
        let Some(rows) = fits.as_struct_opt() else {
            return exec_err!("`{NAME}` needs what `kmeans_fit` gave");
        };
        let column = |name: &str| rows.column_by_name(name).and_then(AsArray::as_list_opt::<i32>);
        match (column("deviations"), column("clusters")) {
            (Some(deviations), Some(clusters)) => Ok(Self { deviations, clusters, given: fits }),
            _ => exec_err!("`{NAME}` needs what `kmeans_fit` gave"),
        }
    }

    fn group(&self, row: usize, features: &ArrayRef) -> Result<Option<i64>> {
        let features = features.as_primitive::<Float64Type>();
        let is_unknown =
            self.given.is_null(row) || self.clusters.is_null(row) || self.deviations.is_null(row);
        if is_unknown || features.null_count() > 0 {
            return Ok(None);
        }
        let deviations = self.deviations.value(row);
        let deviations = deviations.as_primitive::<Float64Type>().values();
        if deviations.len() != features.len() {
            let (given, wanted) = (features.len(), deviations.len());
            return Err(impossible(NAME, format!("it has {given} features, and the fit {wanted}")));
        }
        let clusters = self.clusters.value(row);
        let clusters = clusters.as_struct();
        let column = |name: &str| clusters.column_by_name(name);
        let (Some(numbers), Some(centers)) = (column("cluster"), column("center")) else {
            return exec_err!("`{NAME}` needs what `kmeans_fit` gave");
        };
        let centers: Vec<ArrayRef> = centers.as_list::<i32>().iter().flatten().collect();
        let centers = centers.iter().map(|center| &**center.as_primitive::<Float64Type>().values());
        let nearest = nearest(features.values(), centers, deviations);
        Ok(nearest.map(|at| numbers.as_primitive::<Int64Type>().value(at)))
    }
}
