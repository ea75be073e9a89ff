//! An intake under way: what is accepted so far, and what was found.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use futures::TryStreamExt;

use super::pass::{Found, Pass, add, count, key_text, sums};
use super::{Intake, IntakeRequest, MOST_LISTED, RejectedKey, RuleCount, Total};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile, code};
use crate::engine::analyze::{Relation, Typed, analyze};
use crate::engine::binding::{Binding, Bindings};
use crate::engine::execute::Engine;
use crate::engine::memory::Share;
use crate::engine::rules::UNREADABLE;
use crate::engine::source::{Rows, contract_schema};
use crate::ident::NodeName;
use crate::project::{ColumnType, SourceContract};
use crate::query::{self, TableName};

/// An intake under way.
pub(super) struct Taking<'a> {
    pub(super) request: &'a IntakeRequest,
    pub(super) contract: &'a SourceContract,
    pub(super) accepted: Binding,
    found: Found,
    pub(super) changed: bool,
    unjudged: BTreeSet<usize>,
}

impl<'a> Taking<'a> {
    pub(super) fn new(request: &'a IntakeRequest) -> Self {
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
    pub(super) async fn pass(&mut self, engine: &Engine, share: Share) -> Result<(), Diagnostics> {
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

    /// Leaves out rows that refer to no accepted row of `to`.
    pub(super) async fn orphans(
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
        let parent_schema = Schema::new(vec![Field::new(field, field_type, true)]);
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
    pub(super) fn reject(&mut self, rule: usize, rows: &RecordBatch) -> Result<(), Diagnostics> {
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

    pub(super) async fn finish(self, engine: &Engine, share: Share) -> Result<Intake, Diagnostics> {
        let (accepted_rows, accepted) = if self.changed {
            self.measure(engine, share).await?
        } else {
            (self.found.accepted_rows, self.found.accepted.clone())
        };
        let found = &self.found;
        let scale = |column: &String| match self.contract.table.column(column).map(|c| c.data_type) {
            Some(ColumnType::Decimal { scale, .. }) => scale,
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

    pub(super) fn typed(&self, sql: &str, relations: &[Relation]) -> Result<Typed, Diagnostics> {
        let file = SourceFile::new(self.contract.place.file().path(), sql);
        let typed = analyze(&query::parse(&file)?, relations, &query::Parameters::new());
        typed.map_err(|found| {
            let what = found.iter().next().map(|found| found.message.clone()).unwrap_or_default();
            let message = format!("the intake of `{}` cannot be planned: {what}", self.request.scan.name);
            Diagnostic::error(code::BUG, message).into()
        })
    }

    pub(super) fn within_limit(&self) -> Result<(), Diagnostics> {
        if self.found.keys.len() > MOST_LISTED { Err(self.too_many()) } else { Ok(()) }
    }

    pub(super) fn too_many(&self) -> Diagnostics {
        let message = format!(
            "source `{}` has more than {MOST_LISTED} rows that break its contract",
            self.request.scan.name
        );
        let found = Diagnostic::error(code::TOO_MANY_REJECTED, message).at(self.contract.place.clone());
        found.help("nothing was published; look at the files, or at the contract").into()
    }

    pub(super) fn bug(&self, cause: &DataFusionError) -> Diagnostics {
        let message =
            format!("the intake of `{}` failed: {}", self.request.scan.name, cause.strip_backtrace());
        Diagnostic::error(code::BUG, message).into()
    }
}

pub(super) fn relation(name: TableName, schema: SchemaRef) -> Relation {
    Relation { name, schema, keys: Vec::new(), defined_in: None }
}

pub(super) fn bare(name: &str) -> Result<TableName, Diagnostics> {
    let name = NodeName::parse(name).map_err(|cause| Diagnostic::error(code::BUG, cause.to_string()))?;
    Ok(TableName::Bare(name))
}

pub(super) fn quoted(column: &str) -> String {
    format!("\"{}\"", column.replace('"', "\"\""))
}
