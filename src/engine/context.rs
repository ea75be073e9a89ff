//! What the SQL planner may see: the inputs given to it and our functions, nothing else.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::catalog::TableFunctionArgs;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, Result, TableReference, plan_err};
use datafusion::config::SqlParserOptions;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::execution::{SessionState, SessionStateBuilder, SessionStateDefaults};
use datafusion::functions_table::all_default_table_functions;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::prelude::SessionConfig;
use datafusion::sql::planner::ParserOptions;
use datafusion::sql::sqlparser::ast::{DataType as SqlType, TimezoneInfo};

use super::checked::CheckedArithmetic;
use crate::functions::available;
use crate::ident::NodeName;
use crate::query::{SOURCES_SCHEMA, TableName};

/// A table that no input has; sorted out by `errors`.
#[derive(Debug, thiserror::Error)]
#[error("table `{name}` not found")]
pub(super) struct UnknownTable {
    /// The name as written.
    pub(super) name: String,
}

/// The options every plan is made with.
pub(super) fn options() -> &'static Arc<ConfigOptions> {
    static OPTIONS: LazyLock<Arc<ConfigOptions>> = LazyLock::new(|| {
        let mut options = ConfigOptions::new();
        set_options(&mut options);
        Arc::new(options)
    });
    &OPTIONS
}

/// Sets what decides the meaning of SQL, in planning and in execution alike.
pub(super) fn set_options(options: &mut ConfigOptions) {
    options.sql_parser.collect_spans = true;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.time_zone = Some("UTC".to_owned());
    options.execution.parquet.schema_force_view_types = false;
}

pub(super) fn parser_options() -> ParserOptions {
    let SqlParserOptions { default_null_ordering, .. } = &options().sql_parser;
    ParserOptions::new()
        .with_parse_float_as_decimal(true)
        .with_collect_spans(true)
        .with_map_string_types_to_utf8view(false)
        .with_default_null_ordering(default_null_ordering.as_str().into())
}

/// The analyzer: DataFusion's rules, then checked arithmetic.
pub(super) fn analyzer() -> &'static Analyzer {
    static ANALYZER: LazyLock<Analyzer> = LazyLock::new(|| {
        let mut analyzer = Analyzer::new();
        analyzer.rules.push(Arc::new(CheckedArithmetic));
        analyzer
    });
    &ANALYZER
}

/// The session table functions ask for; it has no tables.
#[expect(clippy::disallowed_methods, reason = "this session only plans: it has no tables and runs nothing")]
fn planning_session() -> &'static SessionState {
    static SESSION: LazyLock<SessionState> = LazyLock::new(|| {
        let mut config = SessionConfig::new();
        set_options(config.options_mut());
        SessionStateBuilder::new().with_config(config).build()
    });
    &SESSION
}

struct Registry {
    scalar: HashMap<String, Arc<ScalarUDF>>,
    aggregate: HashMap<String, Arc<AggregateUDF>>,
    window: HashMap<String, Arc<WindowUDF>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
}

fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let functions = available();
        let mut registry = Registry {
            scalar: HashMap::new(),
            aggregate: HashMap::new(),
            window: HashMap::new(),
            planners: SessionStateDefaults::default_expr_planners(),
        };
        for function in &functions.scalar {
            let names = std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str));
            registry.scalar.extend(names.map(|name| (name.to_owned(), Arc::clone(function))));
        }
        for function in &functions.aggregate {
            let names = std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str));
            registry.aggregate.extend(names.map(|name| (name.to_owned(), Arc::clone(function))));
        }
        for function in &functions.window {
            let names = std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str));
            registry.window.extend(names.map(|name| (name.to_owned(), Arc::clone(function))));
        }
        registry
    });
    &REGISTRY
}

/// Whether SQL may call `name` (lower case).
pub(super) fn is_function(name: &str) -> bool {
    let registry = registry();
    registry.scalar.contains_key(name)
        || registry.aggregate.contains_key(name)
        || registry.window.contains_key(name)
        || matches!(name, "unnest" | "row" | "generate_series" | "range")
}

/// Whether `name` (lower case) is called over many rows, or gives many.
pub(super) fn looks_at_many_rows(name: &str) -> bool {
    let registry = registry();
    let is_many = registry.aggregate.contains_key(name) || registry.window.contains_key(name);
    is_many && !registry.scalar.contains_key(name) || name == "unnest"
}

/// Every name SQL may call, for suggestions.
pub(super) fn function_names() -> impl Iterator<Item = &'static str> {
    let registry = registry();
    registry.scalar.keys().chain(registry.aggregate.keys()).chain(registry.window.keys()).map(String::as_str)
}

/// The planner's view of one query's inputs.
pub(super) struct Inputs {
    /// Table sources by the name SQL reads them under.
    pub(super) tables: BTreeMap<TableName, Arc<dyn TableSource>>,
}

/// The name of an input that a reference of the planner means, if it can be one.
pub(super) fn table_name(reference: &TableReference) -> Option<TableName> {
    match reference {
        TableReference::Bare { table } => NodeName::parse(table).ok().map(TableName::Bare),
        TableReference::Partial { schema, table } if schema.as_ref() == SOURCES_SCHEMA => {
            NodeName::parse(table).ok().map(TableName::Source)
        }
        _ => None,
    }
}

impl ContextProvider for Inputs {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let found = table_name(&name).and_then(|name| self.tables.get(&name));
        let unknown = || DataFusionError::External(Box::new(UnknownTable { name: name.to_string() }));
        found.cloned().ok_or_else(unknown)
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        let functions = all_default_table_functions();
        let Some(function) = functions.iter().find(|function| function.name() == name) else {
            return plan_err!("table function `{name}` not found");
        };
        // Its arguments must be literals: parameters and intervals become one here.
        let context = SimplifyContext::builder().with_config_options(Arc::clone(options())).build();
        let simplifier = ExprSimplifier::new(context);
        let no_rows = DFSchema::empty();
        let literal = |argument| {
            simplifier.coerce(argument, &no_rows).and_then(|argument| simplifier.simplify(argument))
        };
        let args = args.into_iter().map(literal).collect::<Result<Vec<_>>>()?;
        let provider =
            function.create_table_provider_with_args(TableFunctionArgs::new(&args, planning_session()))?;
        Ok(provider_as_source(provider))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &registry().planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Microseconds))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        registry().scalar.get(name).cloned()
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        registry().aggregate.get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        registry().window.get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        options()
    }

    fn udf_names(&self) -> Vec<String> {
        registry().scalar.keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        registry().aggregate.keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        registry().window.keys().cloned().collect()
    }
}

/// Makes `timestamp` microseconds, not nanoseconds that end in the year 2262.
#[derive(Debug)]
struct Microseconds;

impl TypePlanner for Microseconds {
    fn plan_type(&self, sql_type: &SqlType) -> Result<Option<DataType>> {
        Ok(match sql_type {
            SqlType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone)
            | SqlType::Datetime(None) => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
            SqlType::Timestamp(None, _) => {
                Some(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
            }
            _ => None,
        })
    }
}
