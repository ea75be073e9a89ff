//! Arithmetic that fails instead of wrapping: an analyzer rule and the operators it puts in.
//!
//! **Invariant:** after [`CheckedArithmetic`] no `+ - * /` or negation of integers and decimals
//! is left to DataFusion, whose kernels wrap integers and do not check a decimal's precision.
//! The types of the results are those DataFusion's coercion gave.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, Datum};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef};
use arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

use crate::functions::{Fault, sql_type};

/// Puts checked operators in the place of those that wrap; runs after type coercion.
#[derive(Debug)]
pub(super) struct CheckedArithmetic;

impl AnalyzerRule for CheckedArithmetic {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite_node).map(|rewritten| rewritten.data)
    }

    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }
}

fn rewrite_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    let names = NamePreserver::new(&plan);
    let rewritten = plan.map_expressions(|expression| {
        let name = names.save(&expression);
        let expression = expression.transform_up(|expression| checked(expression, &schema))?;
        Ok(expression.update_data(|expression| name.restore(expression)))
    })?;
    if rewritten.transformed { rewritten.map_data(LogicalPlan::recompute_schema) } else { Ok(rewritten) }
}

fn checked(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expression {
        Expr::BinaryExpr(binary) => {
            let types = (binary.left.get_type(schema)?, binary.right.get_type(schema)?);
            let Some(function) = operator(binary.op, &types) else {
                return Ok(Transformed::no(Expr::BinaryExpr(binary)));
            };
            let BinaryExpr { left, right, .. } = binary;
            Ok(Transformed::yes(call(function, vec![*left, *right])))
        }
        Expr::Negative(inner) if is_exact(&inner.get_type(schema)?) => {
            Ok(Transformed::yes(call(&NEGATE, vec![*inner])))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn call(function: &Arc<ScalarUDF>, arguments: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), arguments))
}

fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_decimal()
}

fn operator(operator: Operator, (left, right): &(DataType, DataType)) -> Option<&'static Arc<ScalarUDF>> {
    if !is_exact(left) || !is_exact(right) {
        return None;
    }
    match operator {
        Operator::Plus => Some(&ADD),
        Operator::Minus => Some(&SUBTRACT),
        Operator::Multiply => Some(&MULTIPLY),
        Operator::Divide => Some(&DIVIDE),
        _ => None,
    }
}

static ADD: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Checked::udf(Operation::Add));
static SUBTRACT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Checked::udf(Operation::Subtract));
static MULTIPLY: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Checked::udf(Operation::Multiply));
static DIVIDE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Checked::udf(Operation::Divide));
static NEGATE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Checked::udf(Operation::Negate));

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Negate,
}

impl Operation {
    const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract | Self::Negate => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
        }
    }

    const fn operator(self) -> Operator {
        match self {
            Self::Add => Operator::Plus,
            Self::Subtract | Self::Negate => Operator::Minus,
            Self::Multiply => Operator::Multiply,
            Self::Divide => Operator::Divide,
        }
    }
}

/// One checked operator as a function of DataFusion.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    operation: Operation,
    signature: Signature,
}

impl Checked {
    fn udf(operation: Operation) -> Arc<ScalarUDF> {
        let arguments = if operation == Operation::Negate { 1 } else { 2 };
        let signature = Signature::any(arguments, Volatility::Immutable);
        Arc::new(ScalarUDF::from(Self { operation, signature }))
    }

    fn compute(&self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        match self.operation {
            Operation::Add => numeric::add(left, right),
            Operation::Subtract | Operation::Negate => numeric::sub(left, right),
            Operation::Multiply => numeric::mul(left, right),
            Operation::Divide => numeric::div(left, right),
        }
    }

    fn evaluate(&self, arguments: &[ColumnarValue], returned: &DataType) -> Result<ArrayRef> {
        let result = match arguments {
            [value] => numeric::neg(value.to_array(1)?.as_ref()),
            [ColumnarValue::Array(left), ColumnarValue::Array(right)] => self.compute(left, right),
            [ColumnarValue::Array(left), ColumnarValue::Scalar(right)] => {
                self.compute(left, &right.to_scalar()?)
            }
            [ColumnarValue::Scalar(left), ColumnarValue::Array(right)] => {
                self.compute(&left.to_scalar()?, right)
            }
            [ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)] => {
                self.compute(&left.to_scalar()?, &right.to_scalar()?)
            }
            _ => return internal_err!("`{}` takes one or two arguments", self.operation.symbol()),
        };
        let result = result.map_err(|cause| self.failure(cause, returned))?;
        self.within_precision(&result, returned)?;
        Ok(result)
    }

    fn failure(&self, cause: ArrowError, returned: &DataType) -> datafusion::error::DataFusionError {
        match cause {
            ArrowError::ArithmeticOverflow(_) => self.overflow(returned),
            other => other.into(),
        }
    }

    fn overflow(&self, returned: &DataType) -> datafusion::error::DataFusionError {
        let operation = self.operation.symbol().to_owned();
        Fault::Overflow { operation, data_type: sql_type(returned) }.into()
    }

    fn within_precision(&self, result: &ArrayRef, returned: &DataType) -> Result<()> {
        let DataType::Decimal128(precision, _) = returned else {
            return Ok(());
        };
        let values = result.as_primitive::<Decimal128Type>();
        let limit = 10_i128.checked_pow(u32::from(*precision)).unwrap_or(i128::MAX).unsigned_abs();
        let all_fit = values.values().iter().all(|value| value.unsigned_abs() < limit);
        // The slot of a null may hold anything.
        if all_fit || values.validate_decimal_precision(*precision).is_ok() {
            Ok(())
        } else {
            Err(self.overflow(returned))
        }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Add => "checked_add",
            Operation::Subtract => "checked_subtract",
            Operation::Multiply => "checked_multiply",
            Operation::Divide => "checked_divide",
            Operation::Negate => "checked_negate",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [only] => Ok(only.clone()),
            [left, right] => {
                BinaryTypeCoercer::new(left, &self.operation.operator(), right).get_result_type()
            }
            _ => internal_err!("`{}` takes one or two arguments", self.operation.symbol()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<_> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, nullable)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let array = self.evaluate(&args.args, args.return_type())?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

/// Whether an expression tree still has arithmetic that could wrap; for tests of the invariant.
#[cfg(test)]
pub(super) fn wraps(plan: &LogicalPlan) -> bool {
    use datafusion::common::tree_node::TreeNodeRecursion;
    let mut found = false;
    let visited = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|expression| {
                found |= matches!(expression, Expr::BinaryExpr(binary)
                    if matches!(binary.op, Operator::Plus | Operator::Minus | Operator::Multiply));
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    visited.is_err() || found
}
