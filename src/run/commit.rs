//! The commit of a run: the last one's tables, with what this run wrote in their place.

use std::collections::BTreeMap;

use super::stage::{self, Audited};
use super::{Job, published_steps};
use crate::diagnostic::Diagnostics;
use crate::engine::{self, Written, WrittenFile};
use crate::ident::NodeName;
use crate::interval::Instant;
use crate::lake::{
    ColumnStatistics, Commit, CommitOutcome, DeltaPosition, Extra, FORMAT, FileEntry, Intent, LakeError,
    Part, TableColumn, TableContract, TableEntry, TableMovement, TableType,
};
use crate::plan::{self, Purpose, Step, StepKind};
use crate::project::{ColumnType, Contract, Model, Movement, Nullability, Privacy};

/// Writes what the attempt sets out to do, before its first file.
pub(super) async fn write_intent(job: &Job<'_>, started_at: Instant) -> Result<(), Diagnostics> {
    let intent = Intent {
        format: FORMAT,
        attempt: job.attempt.clone(),
        run_id: job.run_id.clone(),
        pipeline: job.plan.pipeline.clone(),
        started_at,
        parent: job.plan.parent,
        as_of: job.plan.as_of,
        known_at: job.plan.known_at,
        tables: published_steps(job.plan).map(|step| step.model.clone()).collect(),
        plan: plan::intended(job.plan, &job.asked),
    };
    job.staging.write_intent(&intent).await.map_err(found)
}

/// The files of a table as commits name them; extremes of personal data are not among what is known.
pub(super) fn file_entries(
    job: &Job<'_>,
    model: &Model,
    written: &Written,
) -> Result<Vec<FileEntry>, Diagnostics> {
    let folder = job.lake.table_folder(&model.name).map_err(found)?;
    let known = |column: &engine::ColumnStats| {
        let (name, known) = statistics(column);
        let told = model.contract.column(&name).is_some_and(|column| column.privacy == Privacy::Public);
        let hidden = ColumnStatistics { null_count: known.null_count, ..ColumnStatistics::default() };
        (name, if told { known } else { hidden })
    };
    let file = |file: &WrittenFile| FileEntry {
        path: file.key.below(&folder).unwrap_or_else(|| file.key.clone()),
        bytes: file.bytes,
        rows: file.rows,
        sha256: file.sha256.clone(),
        columns: file.columns.iter().map(known).collect(),
        extra: Extra::default(),
    };
    Ok(written.files.iter().map(file).collect())
}

/// A job, and what it wrote.
type Work<'a> = (&'a Job<'a>, &'a Audited);

/// Commits what was audited on top of `last`; returns the commit too.
pub(super) async fn publish(
    written: &[Work<'_>],
    last: Option<&Commit>,
) -> Result<(CommitOutcome, Commit), Diagnostics> {
    let (Some((job, _)), Some(commit)) = (written.first(), on_top(written, last)?) else {
        return Err(super::bug("a publication of nothing").into());
    };
    let outcome = job.lake.try_commit(&commit).await.map_err(found)?;
    Ok((outcome, commit.without_personal_data()))
}

/// The commit that follows on `last` when all that was written is published; none if that is nothing.
pub(super) fn on_top(written: &[Work<'_>], last: Option<&Commit>) -> Result<Option<Commit>, Diagnostics> {
    let Some((job, _)) = written.first() else { return Ok(None) };
    let plan = job.plan;
    let made = (last.map_or(1, |last| last.version + 1), (job.clock)());
    let mut tables: BTreeMap<NodeName, TableEntry> =
        last.map(|commit| commit.tables.clone()).unwrap_or_default();
    let mut seen = std::collections::BTreeSet::new();
    for step in written.iter().flat_map(|(job, _)| published_steps(job.plan)) {
        if seen.insert(&step.model) {
            let previous = last.and_then(|last| last.tables.get(&step.model));
            tables.insert(step.model.clone(), entry(&step.model, written, previous, made)?);
        }
    }
    // What a backfill publishes of other days changes nothing of the day that is looked from.
    let looked = last.filter(|_| plan.purpose == Purpose::Backfill);
    let (as_of, known_at) = looked.map_or((plan.as_of, plan.known_at), |last| (last.as_of, last.known_at));
    Ok(Some(Commit {
        format: FORMAT,
        version: made.0,
        parent: last.map(|last| last.version),
        pipeline: plan.pipeline.clone(),
        attempt: job.attempt.clone(),
        run_id: job.run_id.clone(),
        committed_at: made.1,
        as_of,
        known_at,
        project_fingerprint: plan.project_fingerprint.clone(),
        parameters_fingerprint: plan.parameters_fingerprint.clone(),
        engine_version: engine::VERSION.to_owned(),
        restores: None,
        tables,
    }))
}

/// A table with what each job wrote of it put in its place, one after another.
fn entry(
    table: &NodeName,
    written: &[Work<'_>],
    previous: Option<&TableEntry>,
    (version, published_at): (u64, Instant),
) -> Result<TableEntry, Diagnostics> {
    let mut now: Option<TableEntry> = previous.cloned();
    for (job, audited) in written {
        let Some(step) = job.plan.step(table).filter(|step| step.kind == StepKind::Publish) else { continue };
        let (Some(model), Some(staged)) = (job.typed.graph.model(table), audited.table(table)) else {
            return Err(super::bug("a step of the plan was not staged").into());
        };
        let beside = now.iter().flat_map(|entry| job.typed.beside(model, entry, (step, job.plan.purpose)));
        let mut parts: Vec<Part> = beside.cloned().collect();
        parts.extend(staged.iter().map(|staged| part(job, step, staged, published_at)));
        parts.sort_by_key(|part| part.slice);
        now = Some(TableEntry {
            owner: previous.map_or_else(|| job.plan.pipeline.clone(), |entry| entry.owner.clone()),
            built_in: version,
            fingerprint: plan::fingerprint_of_parts(&parts),
            contract: table_contract(&model.contract, model.movement.as_ref()),
            delta: DeltaPosition::after(previous, table, &job.attempt),
            parts,
            extra: Extra::default(),
        });
    }
    now.ok_or_else(|| super::bug("a table that nobody wrote").into())
}

fn part(job: &Job<'_>, step: &Step, staged: &stage::Part, published_at: Instant) -> Part {
    let stage::Part { slice, files } = staged;
    let intervals = step.intervals.as_deref().unwrap_or_default();
    let interval = intervals.iter().find(|interval| interval.slice() == *slice);
    let (fingerprint, made_from) = interval.map_or((&step.fingerprint, &step.made_from), |interval| {
        (&interval.fingerprint, &interval.made_from)
    });
    Part {
        slice: *slice,
        fingerprint: fingerprint.clone(),
        made_from: made_from.clone(),
        attempt: job.attempt.clone(),
        published_at,
        rows: files.iter().map(|file| file.rows).sum(),
        files: files.clone(),
        read: interval.map(|interval| interval.read.clone()).unwrap_or_default(),
        extra: Extra::default(),
    }
}

fn statistics(column: &engine::ColumnStats) -> (String, ColumnStatistics) {
    let known = ColumnStatistics::new(column.min.as_ref(), column.max.as_ref(), column.nulls);
    (column.name.clone(), known)
}

/// What a model promises, as commits keep it.
#[must_use]
pub fn promised(model: &Model) -> TableContract {
    table_contract(&model.contract, model.movement.as_ref())
}

fn table_contract(contract: &Contract, movement: Option<&Movement>) -> TableContract {
    let column = |column: &crate::project::Column| TableColumn {
        name: column.name.clone(),
        data_type: table_type(column.data_type),
        nullable: column.nullable == Nullability::Nullable,
        pii: column.privacy == Privacy::Personal,
        description: column.description.clone(),
        extra: Extra::default(),
    };
    TableContract {
        description: contract.description.clone(),
        columns: contract.columns.iter().map(column).collect(),
        grain: contract.grain.clone(),
        order_by: contract.order_by.clone(),
        movement: movement.map(table_movement),
        extra: Extra::default(),
    }
}

/// What a project declares as movement, as commits keep it.
#[must_use]
pub fn table_movement(movement: &Movement) -> TableMovement {
    let Movement { column, total, per, key, latest, while_null } = movement.clone();
    TableMovement { column, total, per, key, latest, while_null, extra: Extra::default() }
}

const fn table_type(column_type: ColumnType) -> TableType {
    match column_type {
        ColumnType::Smallint => TableType::Smallint,
        ColumnType::Integer => TableType::Integer,
        ColumnType::Bigint => TableType::Bigint,
        ColumnType::Varchar => TableType::Varchar,
        ColumnType::Boolean => TableType::Boolean,
        ColumnType::Date => TableType::Date,
        ColumnType::Timestamp => TableType::Timestamp,
        ColumnType::Decimal { precision, scale } => TableType::Decimal { precision, scale },
        ColumnType::Double => TableType::Double,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape `map_err` asks for")]
pub(super) fn found(cause: LakeError) -> Diagnostics {
    cause.to_diagnostic().into()
}
