//! Takes in a source with a contract: one pass over its files parts accepted rows from rejected ones.
//!
//! What one row shows is judged while the pass reads it; keys and what rows refer to are judged
//! afterwards among the rows that were left. Rows are kept while they fit; else readers read the
//! files again and leave out the same rows.
//!
//! **Invariant:** of rows with one key the one that is kept depends on their values alone, never on
//! the order they were read in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Decimal128Type, SchemaRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use arrow::util::display::array_value_to_string;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use futures::TryStreamExt;

use super::analyze::{Relation, Typed, analyze};
use super::binding::{Binding, Bindings};
use super::execute::{Engine, Job};
use super::memory::Share;
use super::rules::{RowRule, RowRules, UNREADABLE};
use super::source::{Rows, SourceScan, contract_schema};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile, code};
use crate::functions::Fault;
use crate::ident::NodeName;
use crate::project::{Contract, Privacy, SourceCheck, SourceContract};
use crate::query::{self, TableName};

/// How many keys of rejected rows are listed: more is no list that anybody reads.
const MOST_LISTED: usize = 1_000_000;

/// A source to be taken in.
#[derive(Debug, Clone)]
pub struct IntakeRequest {
    /// Its rows.
    pub scan: Arc<SourceScan>,
    /// The columns that say when a row was known and when it happened: the later row of a key wins.
    pub newest_by: Vec<String>,
    /// The source whose rows date its rows.
    pub dated_by: Option<Dating>,
    /// The accepted rows of the sources its rows refer to, by name; one that is absent is not there.
    pub parents: BTreeMap<NodeName, Binding>,
    /// Bytes of Arrow that may be kept in memory; beyond them the files are read again.
    pub keep: u64,
}

/// How rows of one source are dated by those of another.
#[derive(Debug, Clone)]
pub struct Dating {
    /// The column that refers to the other source.
    pub column: String,
    /// The other source's rows.
    pub scan: Arc<SourceScan>,
    /// Its column.
    pub field: String,
}

/// What became of a source.
#[derive(Debug, Clone)]
pub struct Intake {
    /// How models read its accepted rows.
    pub accepted: Binding,
    /// All visible rows.
    pub rows: u64,
    /// Those that broke a rule.
    pub rejected: u64,
    /// How many rows broke each rule, in the order they are judged.
    pub counts: Vec<RuleCount>,
    /// The rejected rows, by key.
    pub keys: BTreeMap<RejectedKey, u64>,
    /// The sums that must add up.
    pub totals: Vec<Total>,
}

/// How many rows broke a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCount {
    /// The rule's name.
    pub rule: &'static str,
    /// Its column; empty for the key.
    pub column: String,
    /// The rows that broke it; none if it could not be judged.
    pub failed: Option<u64>,
}

/// A rejected row, as far as it may be told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RejectedKey {
    /// Its key as text, such as `order_id = 17`; personal values are hidden.
    pub key: String,
    /// The rule it broke.
    pub rule: &'static str,
    /// The column; empty for the key.
    pub column: String,
}

/// A sum over all rows, and over both parts of them; none if a value was unknown everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// The column; empty for the number of rows.
    pub column: String,
    /// Digits after the point of the sums.
    pub scale: u8,
    /// Over all visible rows.
    pub raw: i128,
    /// Over those that models read.
    pub accepted: i128,
    /// Over the others.
    pub rejected: i128,
}

impl Engine {
    /// Parts the rows of a source.
    ///
    /// Memory: at most `keep` bytes stay held, and up to a million keys of rejected rows.
    ///
    /// # Errors
    ///
    /// Returns what failed while it ran, and `GW0512` for more rejected rows than anybody could list.
    pub async fn intake(&self, request: &IntakeRequest, share: Share) -> Result<Intake, Diagnostics> {
        let mut intake = Taking::new(request);
        intake.pass(self, share).await?;
        intake.duplicates(self, share).await?;
        for (at, rule) in request.scan.contract.rules.iter().enumerate() {
            if let SourceCheck::Orphan { column, to, field } = &rule.check {
                intake.orphans(self, share, at, (column, to, field)).await?;
            }
        }
        intake.finish(self, share).await
    }
}

/// An intake under way.
struct Taking<'a> {
    request: &'a IntakeRequest,
    contract: &'a SourceContract,
    accepted: Binding,
    found: Found,
    changed: bool,
    unjudged: BTreeSet<usize>,
}

/// What was found so far.
#[derive(Debug, Clone, Default)]
struct Found {
    rows: u64,
    rejected: u64,
    failed: BTreeMap<(usize, String), u64>,
    keys: BTreeMap<RejectedKey, u64>,
    raw: Vec<i128>,
    accepted: Vec<i128>,
    accepted_rows: u64,
    refused: Vec<i128>,
}

/// What a pass over the files gave.
struct Passed {
    found: Found,
    kept: Option<Vec<RecordBatch>>,
}

impl<'a> Taking<'a> {
    fn new(request: &'a IntakeRequest) -> Self {
        let contract = &request.scan.contract;
        let accepted = Binding::Memory { schema: contract_schema(contract), batches: Vec::new() };
        Self {
            request,
            contract,
            accepted,
            found: Found::default(),
            changed: false,
            unjudged: BTreeSet::new(),
        }
    }

    /// Reads all visible rows and judges each by itself.
    async fn pass(&mut self, engine: &Engine, share: Share) -> Result<(), Diagnostics> {
        let (typed, bindings) = self.visible(Rows::Visible)?;
        let bindings = Arc::new(bindings);
        let rules = Arc::new(self.request.scan.row_rules());
        let work = Pass { contract: Arc::clone(&self.request.scan.contract), rules, keep: self.request.keep };
        let passed = engine.attempt(&typed, &bindings, share, |job| {
            let (work, plan) = (work.clone(), typed.plan.clone());
            async move { work.run(&job, &plan).await }
        });
        let passed = passed.await?;
        self.found = passed.found;
        self.accepted = match passed.kept {
            Some(batches) => Binding::Memory { schema: contract_schema(self.contract), batches },
            None => {
                let (typed, bindings) = self.visible(Rows::Kept)?;
                Binding::View(Arc::new(typed), Arc::new(bindings))
            }
        };
        self.within_limit()
    }

    /// The rows of the source that can be seen, as a query.
    fn visible(&self, rows: Rows) -> Result<(Typed, Bindings), Diagnostics> {
        let own = TableName::Source(self.request.scan.name.clone());
        let scan = Arc::new(self.request.scan.with_rows(rows));
        let mut relations = vec![relation(own.clone(), scan.schema())];
        let mut bindings = Bindings::from([(own, Binding::Source(scan))]);
        let source = &self.request.scan.name;
        let Some(dating) = &self.request.dated_by else {
            let typed = self.typed(&format!("select * from sources.{source}"), &relations)?;
            return Ok((typed, bindings));
        };
        for (name, rows) in [("goodwill_later", Rows::Later), ("goodwill_visible", Rows::Visible)] {
            let scan = Arc::new(dating.scan.with_rows(rows));
            let name = bare(name)?;
            relations.push(relation(name.clone(), scan.schema()));
            bindings.insert(name, Binding::Source(scan));
        }
        let (column, field) = (quoted(&dating.column), quoted(&dating.field));
        let sql = format!(
            "with later as (
                 select l.{field} as dated from goodwill_later as l
                 where not exists (select 1 from goodwill_visible as v where v.{field} = l.{field})
             )
             select s.* from sources.{source} as s
             where not exists (select 1 from later where later.dated = s.{column})"
        );
        Ok((self.typed(&sql, &relations)?, bindings))
    }

    /// Of rows with one key leaves the newest, ties by all their values.
    async fn duplicates(&mut self, engine: &Engine, share: Share) -> Result<(), Diagnostics> {
        let Some(at) = self.contract.rules.iter().position(|rule| rule.check == SourceCheck::DuplicateKey)
        else {
            return Ok(());
        };
        let keys: Vec<String> = self.contract.table.grain.iter().map(|key| quoted(key)).collect();
        let keys = keys.join(", ");
        let sql = format!("select {keys} from goodwill_accepted group by {keys} having count(*) > 1");
        let relations = [relation(bare("goodwill_accepted")?, contract_schema(self.contract))];
        let accepted = Bindings::from([(bare("goodwill_accepted")?, self.accepted.clone())]);
        let typed = self.typed(&sql, &relations)?;
        let repeated = engine.collect(&typed, &accepted, Some(MOST_LISTED + 1), share).await?;
        let number: usize = repeated.iter().map(RecordBatch::num_rows).sum();
        if number == 0 {
            return Ok(());
        }
        if number > MOST_LISTED {
            return Err(self.too_many());
        }
        self.keep_newest(engine, share, at, repeated).await
    }

    async fn keep_newest(
        &mut self,
        engine: &Engine,
        share: Share,
        rule: usize,
        repeated: Vec<RecordBatch>,
    ) -> Result<(), Diagnostics> {
        let (accepted, keys) = (bare("goodwill_accepted")?, bare("goodwill_repeated")?);
        let schema = contract_schema(self.contract);
        let key_schema = repeated.first().map_or_else(|| Arc::clone(&schema), RecordBatch::schema);
        let mut relations = vec![
            relation(accepted.clone(), Arc::clone(&schema)),
            relation(keys.clone(), Arc::clone(&key_schema)),
        ];
        let mut bindings = Bindings::from([
            (accepted, self.accepted.clone()),
            (keys, Binding::Memory { schema: key_schema, batches: repeated }),
        ]);
        let same = self.contract.table.grain.iter().map(|key| {
            let key = quoted(key);
            format!("a.{key} = r.{key}")
        });
        let same = same.collect::<Vec<_>>().join(" and ");
        let sql = format!(
            "select a.* from goodwill_accepted as a
             where exists (select 1 from goodwill_repeated as r where {same})"
        );
        let rows = engine.collect(&self.typed(&sql, &relations)?, &bindings, None, share).await?;
        let (newest, rest) = self.newest(&schema, &rows).map_err(|cause| self.bug(&cause))?;
        self.reject(rule, &rest)?;
        let kept = bare("goodwill_newest")?;
        relations.push(relation(kept.clone(), Arc::clone(&schema)));
        bindings.insert(kept, Binding::Memory { schema, batches: vec![newest] });
        let sql = format!(
            "select a.* from goodwill_accepted as a
             where not exists (select 1 from goodwill_repeated as r where {same})
             union all select * from goodwill_newest"
        );
        self.accepted = Binding::View(Arc::new(self.typed(&sql, &relations)?), Arc::new(bindings));
        self.changed = true;
        self.within_limit()
    }

    /// Parts rows of repeated keys into the newest of each key and the rest.
    fn newest(&self, schema: &SchemaRef, rows: &[RecordBatch]) -> Result<(RecordBatch, RecordBatch)> {
        let rows = concat_batches(schema, rows)?;
        let table = &self.contract.table;
        let column = |name: &String| rows.column_by_name(name).map(Arc::clone);
        let keys: Vec<ArrayRef> = table.grain.iter().filter_map(column).collect();
        let times: Vec<ArrayRef> = self.request.newest_by.iter().filter_map(column).collect();
        let ascending = arrow::compute::SortOptions { descending: false, nulls_first: false };
        let descending = arrow::compute::SortOptions { descending: true, nulls_first: false };
        let field =
            |array: &ArrayRef, options| SortField::new_with_options(array.data_type().clone(), options);
        let mut fields: Vec<SortField> = keys.iter().map(|array| field(array, ascending)).collect();
        fields.extend(times.iter().map(|array| field(array, descending)));
        fields.extend(rows.columns().iter().map(|array| field(array, ascending)));
        let all: Vec<ArrayRef> = keys.iter().chain(&times).chain(rows.columns()).map(Arc::clone).collect();
        let order = RowConverter::new(fields)?.convert_columns(&all)?;
        let key = RowConverter::new(keys.iter().map(|array| field(array, ascending)).collect())?;
        let key = key.convert_columns(&keys)?;
        let mut sorted: Vec<usize> = (0..rows.num_rows()).collect();
        sorted.sort_by(|left, right| order.row(*left).cmp(&order.row(*right)));
        let (mut newest, mut rest) = (Vec::new(), Vec::new());
        let mut last: Option<OwnedRow> = None;
        for row in sorted {
            let same = last.as_ref().is_some_and(|last| last.row() == key.row(row));
            if same {
                rest.push(row)
            } else {
                newest.push(row)
            }
            last = Some(key.row(row).owned());
        }
        let take = |list: Vec<usize>| {
            let list: arrow::array::UInt64Array =
                list.into_iter().map(|row| u64::try_from(row).ok()).collect();
            take_record_batch(&rows, &list)
        };
        Ok((take(newest)?, take(rest)?))
    }

    /// Leaves out rows that refer to no accepted row of `to`.
    async fn orphans(
        &mut self,
        engine: &Engine,
        share: Share,
        rule: usize,
        (column, to, field): (&str, &NodeName, &str),
    ) -> Result<(), Diagnostics> {
        let Some(parent) = self.request.parents.get(to) else {
            self.unjudged.insert(rule);
            return Ok(());
        };
        let (child, parents) = (bare("goodwill_accepted")?, bare("goodwill_parents")?);
        let schema = contract_schema(self.contract);
        let field_type =
            self.contract.table.column(column).map_or(DataType::Int64, |column| column.data_type.arrow());
        let parent_schema =
            arrow::datatypes::Schema::new(vec![arrow::datatypes::Field::new(field, field_type, true)]);
        let relations = [relation(child.clone(), schema), relation(parents.clone(), Arc::new(parent_schema))];
        let bindings = Bindings::from([(child, self.accepted.clone()), (parents, parent.clone())]);
        let (column, field) = (quoted(column), quoted(field));
        let is_known = format!("exists (select 1 from goodwill_parents as p where p.{field} = a.{column})");
        let sql =
            format!("select a.* from goodwill_accepted as a where a.{column} is not null and not {is_known}");
        let typed = self.typed(&sql, &relations)?;
        let orphans = engine.collect(&typed, &bindings, Some(MOST_LISTED + 1), share).await?;
        let number: usize = orphans.iter().map(RecordBatch::num_rows).sum();
        if number == 0 {
            return Ok(());
        }
        if number > MOST_LISTED {
            return Err(self.too_many());
        }
        for batch in &orphans {
            self.reject(rule, batch)?;
        }
        let sql = format!(
            "select a.* from goodwill_accepted as a where a.{column} is null
             union all select a.* from goodwill_accepted as a where {is_known}"
        );
        self.accepted = Binding::View(Arc::new(self.typed(&sql, &relations)?), Arc::new(bindings));
        self.changed = true;
        self.within_limit()
    }

    /// Notes rows that break a rule which is judged after the pass.
    fn reject(&mut self, rule: usize, rows: &RecordBatch) -> Result<(), Diagnostics> {
        let number = count(rows.num_rows());
        let Some(check) = self.contract.rules.get(rule).map(|rule| &rule.check) else { return Ok(()) };
        self.found.rejected += number;
        let column = check.column().unwrap_or_default().to_owned();
        *self.found.failed.entry((rule + 1, String::new())).or_default() += number;
        for row in 0..rows.num_rows() {
            let key = key_text(&self.contract.table, rows, row);
            let rejected = RejectedKey { key, rule: check.name(), column: column.clone() };
            *self.found.keys.entry(rejected).or_default() += 1;
        }
        let sums = sums(self.contract, rows).map_err(|cause| self.bug(&cause))?;
        add(&mut self.found.refused, &sums).map_err(|cause| self.bug(&cause))
    }

    async fn finish(self, engine: &Engine, share: Share) -> Result<Intake, Diagnostics> {
        let (accepted_rows, accepted) = if self.changed {
            self.measure(engine, share).await?
        } else {
            (self.found.accepted_rows, self.found.accepted.clone())
        };
        let found = &self.found;
        let scale = |column: &String| match self.contract.table.column(column).map(|c| c.data_type) {
            Some(crate::project::ColumnType::Decimal { scale, .. }) => scale,
            _ => 0,
        };
        let rows = Total {
            column: String::new(),
            scale: 0,
            raw: i128::from(found.rows),
            accepted: i128::from(accepted_rows),
            rejected: i128::from(found.rejected),
        };
        let of = |sums: &[i128], at: usize| sums.get(at).copied().unwrap_or(0);
        let totals = self.contract.totals.iter().enumerate().map(|(at, column)| Total {
            column: column.clone(),
            scale: scale(column),
            raw: of(&found.raw, at),
            accepted: of(&accepted, at),
            rejected: of(&found.refused, at),
        });
        Ok(Intake {
            rows: found.rows,
            rejected: found.rejected,
            counts: self.counts(),
            keys: found.keys.clone(),
            totals: std::iter::once(rows).chain(totals).collect(),
            accepted: self.accepted,
        })
    }

    /// Counts and sums what models will read.
    async fn measure(&self, engine: &Engine, share: Share) -> Result<(u64, Vec<i128>), Diagnostics> {
        let accepted = bare("goodwill_accepted")?;
        let relations = [relation(accepted.clone(), contract_schema(self.contract))];
        let bindings = Bindings::from([(accepted, self.accepted.clone())]);
        let columns: Vec<String> = self.contract.totals.iter().map(|name| quoted(name)).collect();
        let columns = if columns.is_empty() { "1 as one".to_owned() } else { columns.join(", ") };
        let typed = self.typed(&format!("select {columns} from goodwill_accepted"), &relations)?;
        let contract = Arc::clone(&self.request.scan.contract);
        let (bindings, plan) = (Arc::new(bindings), typed.plan.clone());
        engine
            .attempt(&typed, &bindings, share, |job| {
                let (contract, plan) = (Arc::clone(&contract), plan.clone());
                async move {
                    let mut stream = job.stream(&plan).await?;
                    let (mut rows, mut totals) = (0, Vec::new());
                    while let Some(batch) = stream.try_next().await? {
                        rows += count(batch.num_rows());
                        add(&mut totals, &sums(&contract, &batch)?)?;
                    }
                    Ok((rows, totals))
                }
            })
            .await
    }

    fn counts(&self) -> Vec<RuleCount> {
        let failed = |key: (usize, String)| self.found.failed.get(&key).copied().unwrap_or(0);
        let checked = self.request.scan.checked().into_iter().map(|column| RuleCount {
            rule: UNREADABLE,
            failed: Some(failed((0, column.clone()))),
            column,
        });
        let declared = self.contract.rules.iter().enumerate().map(|(at, rule)| RuleCount {
            rule: rule.check.name(),
            column: rule.check.column().unwrap_or_default().to_owned(),
            failed: (!self.unjudged.contains(&at)).then(|| failed((at + 1, String::new()))),
        });
        checked.chain(declared).collect()
    }

    fn typed(&self, sql: &str, relations: &[Relation]) -> Result<Typed, Diagnostics> {
        let file = SourceFile::new(self.contract.place.file().path(), sql);
        let typed = analyze(&query::parse(&file)?, relations, &query::Parameters::new());
        typed.map_err(|found| {
            let what = found.iter().next().map(|found| found.message.clone()).unwrap_or_default();
            let message = format!("the intake of `{}` cannot be planned: {what}", self.request.scan.name);
            Diagnostic::error(code::BUG, message).into()
        })
    }

    fn within_limit(&self) -> Result<(), Diagnostics> {
        if self.found.keys.len() > MOST_LISTED { Err(self.too_many()) } else { Ok(()) }
    }

    fn too_many(&self) -> Diagnostics {
        let message = format!(
            "source `{}` has more than {MOST_LISTED} rows that break its contract",
            self.request.scan.name
        );
        let found = Diagnostic::error(code::TOO_MANY_REJECTED, message).at(self.contract.place.clone());
        found.help("nothing was published; look at the files, or at the contract").into()
    }

    fn bug(&self, cause: &DataFusionError) -> Diagnostics {
        let message =
            format!("the intake of `{}` failed: {}", self.request.scan.name, cause.strip_backtrace());
        Diagnostic::error(code::BUG, message).into()
    }
}

/// One pass over a source.
#[derive(Clone)]
struct Pass {
    contract: Arc<SourceContract>,
    rules: Arc<RowRules>,
    keep: u64,
}

impl Pass {
    async fn run(self, job: &Job, plan: &datafusion::logical_expr::LogicalPlan) -> Result<Passed> {
        let mut stream = job.stream(plan).await?;
        let mut found = Found::default();
        let mut kept = Some(Vec::new());
        let mut held = 0_u64;
        while let Some(batch) = stream.try_next().await? {
            let accepted = self.judge(&batch, &mut found)?;
            held += u64::try_from(accepted.get_array_memory_size()).unwrap_or(u64::MAX);
            if held > self.keep {
                kept = None;
            }
            kept.iter_mut().for_each(|kept| kept.push(accepted.clone()));
        }
        Ok(Passed { found, kept })
    }

    /// The rows of `batch` that keep every rule; the others are noted.
    fn judge(&self, batch: &RecordBatch, found: &mut Found) -> Result<RecordBatch> {
        let schema = contract_schema(&self.contract);
        let columns = batch.columns().iter().take(schema.fields().len()).map(Arc::clone).collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
        found.rows += count(rows.num_rows());
        add(&mut found.raw, &sums(&self.contract, &rows)?)?;
        let broken = self.rules.broken(|name| batch.column_by_name(name))?;
        let is_broken: BTreeSet<usize> = broken.iter().flatten().copied().collect();
        if is_broken.is_empty() {
            found.accepted_rows += count(rows.num_rows());
            add(&mut found.accepted, &sums(&self.contract, &rows)?)?;
            return Ok(rows);
        }
        for (rule, broken) in self.rules.iter().zip(&broken).filter(|(_, broken)| !broken.is_empty()) {
            self.note(rule, &rows, broken, found);
        }
        let keeps: BooleanArray = (0..rows.num_rows()).map(|row| Some(!is_broken.contains(&row))).collect();
        let breaks: BooleanArray = keeps.iter().map(|keeps| keeps.map(|keeps| !keeps)).collect();
        let (accepted, refused) = (filter_record_batch(&rows, &keeps)?, filter_record_batch(&rows, &breaks)?);
        found.accepted_rows += count(accepted.num_rows());
        found.rejected += count(refused.num_rows());
        add(&mut found.accepted, &sums(&self.contract, &accepted)?)?;
        add(&mut found.refused, &sums(&self.contract, &refused)?)?;
        Ok(accepted)
    }

    fn note(&self, rule: &RowRule, rows: &RecordBatch, broken: &[usize], found: &mut Found) {
        let (at, name, column) = match rule {
            RowRule::Readable { column } => ((0, column.clone()), UNREADABLE, column.clone()),
            RowRule::Declared { at, check } => {
                ((at + 1, String::new()), check.name(), check.column().unwrap_or_default().to_owned())
            }
        };
        *found.failed.entry(at).or_default() += count(broken.len());
        for row in broken {
            if found.keys.len() > MOST_LISTED {
                return;
            }
            let key = RejectedKey {
                key: key_text(&self.contract.table, rows, *row),
                rule: name,
                column: column.clone(),
            };
            *found.keys.entry(key).or_default() += 1;
        }
    }
}

/// The key of a row as text: `order_id = 17, line_no = 2`; personal values are hidden.
fn key_text(contract: &Contract, rows: &RecordBatch, row: usize) -> String {
    let part = |name: &String| {
        let hidden = contract.column(name).is_none_or(|column| column.privacy == Privacy::Personal);
        let value = match rows.column_by_name(name) {
            Some(values) if values.is_null(row) => "null".to_owned(),
            Some(_) if hidden => "(hidden)".to_owned(),
            Some(values) => array_value_to_string(values, row).unwrap_or_default(),
            None => String::new(),
        };
        format!("{name} = {value}")
    };
    contract.grain.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// The sums of the contract's totals over `rows`, in units of their last digit.
fn sums(contract: &SourceContract, rows: &RecordBatch) -> Result<Vec<i128>> {
    let sum = |name: &String| {
        let Some(values) = rows.column_by_name(name) else { return Ok(0) };
        let values = match values.data_type() {
            DataType::Decimal128(_, _) => Arc::clone(values),
            _ => cast(values, &DataType::Decimal128(38, 0))?,
        };
        let values = values.as_primitive::<Decimal128Type>().iter().flatten();
        let sum =
            |sum: i128, value: i128| sum.checked_add(value).ok_or_else(|| overflow("sum", "DECIMAL(38)"));
        values.into_iter().try_fold(0, sum)
    };
    contract.totals.iter().map(sum).collect()
}

fn add(totals: &mut Vec<i128>, more: &[i128]) -> Result<()> {
    totals.resize(more.len(), 0);
    for (total, more) in totals.iter_mut().zip(more) {
        *total = total.checked_add(*more).ok_or_else(|| overflow("sum", "DECIMAL(38)"))?;
    }
    Ok(())
}

fn overflow(operation: &str, data_type: &str) -> DataFusionError {
    Fault::Overflow { operation: operation.to_owned(), data_type: data_type.to_owned() }.into()
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

fn relation(name: TableName, schema: SchemaRef) -> Relation {
    Relation { name, schema, keys: Vec::new(), defined_in: None }
}

fn bare(name: &str) -> Result<TableName, Diagnostics> {
    let name = NodeName::parse(name).map_err(|cause| Diagnostic::error(code::BUG, cause.to_string()))?;
    Ok(TableName::Bare(name))
}

fn quoted(column: &str) -> String {
    format!("\"{}\"", column.replace('"', "\"\""))
}
