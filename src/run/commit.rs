//! The commit of a run: the last one's tables, with what this run wrote in their place.

use std::collections::BTreeMap;

use super::stage::Audited;
use super::{Job, published_steps};
use crate::diagnostic::Diagnostics;
use crate::engine::{self, Written, WrittenFile};
use crate::ident::NodeName;
use crate::interval::Instant;
use crate::lake::{
    ColumnStatistics, Commit, CommitOutcome, DeltaPosition, Extra, FORMAT, FileEntry, Intent, LakeError,
    Part, TableColumn, TableContract, TableEntry, TableMovement, TableType,
};
use crate::plan::{self, Purpose, Step};
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

/// Commits what was audited; returns the commit too.
pub(super) async fn publish(
    job: &Job<'_>,
    audited: &Audited,
) -> Result<(CommitOutcome, Commit), Diagnostics> {
    let version = audited.version(job.plan);
    let committed_at = (job.clock)();
    let last = job.state.last.as_ref();
    let mut tables: BTreeMap<NodeName, TableEntry> =
        last.map(|commit| commit.tables.clone()).unwrap_or_default();
    for step in published_steps(job.plan) {
        let (Some(files), Some(model)) = (audited.table(&step.model), job.typed.graph.model(&step.model))
        else {
            return Err(super::bug("a step of the plan was not staged").into());
        };
        let entry = entry(job, step, files.to_vec(), model, (version, committed_at));
        tables.insert(step.model.clone(), entry);
    }
    // What a backfill publishes of other days changes nothing of the day that is looked from.
    let looked = last.filter(|_| job.plan.purpose == Purpose::Backfill);
    let (as_of, known_at) =
        looked.map_or((job.plan.as_of, job.plan.known_at), |last| (last.as_of, last.known_at));
    let commit = Commit {
        format: FORMAT,
        version,
        parent: job.plan.parent,
        pipeline: job.plan.pipeline.clone(),
        attempt: job.attempt.clone(),
        run_id: job.run_id.clone(),
        committed_at,
        as_of,
        known_at,
        project_fingerprint: job.plan.project_fingerprint.clone(),
        parameters_fingerprint: job.plan.parameters_fingerprint.clone(),
        engine_version: engine::VERSION.to_owned(),
        restores: None,
        tables,
    };
    let outcome = job.lake.try_commit(&commit).await.map_err(found)?;
    Ok((outcome, commit.without_personal_data()))
}

fn entry(
    job: &Job<'_>,
    step: &Step,
    files: Vec<FileEntry>,
    model: &Model,
    (version, published_at): (u64, Instant),
) -> TableEntry {
    let previous = job.state.last.as_ref().and_then(|commit| commit.tables.get(&step.model));
    let kept = previous.into_iter().flat_map(|entry| job.typed.kept(model, entry));
    let mut parts: Vec<Part> = kept.cloned().collect();
    parts.push(Part {
        slice: job.typed.slice(model),
        fingerprint: step.fingerprint.clone(),
        made_from: step.made_from.clone(),
        attempt: job.attempt.clone(),
        published_at,
        rows: files.iter().map(|file| file.rows).sum(),
        files,
        extra: Extra::default(),
    });
    parts.sort_by_key(|part| part.slice);
    TableEntry {
        owner: previous.map_or_else(|| job.plan.pipeline.clone(), |entry| entry.owner.clone()),
        built_in: version,
        fingerprint: plan::fingerprint_of_parts(&parts),
        contract: table_contract(&model.contract, model.movement.as_ref()),
        delta: DeltaPosition::after(previous, &step.model, &job.attempt),
        parts,
        extra: Extra::default(),
    }
}

fn statistics(column: &engine::ColumnStats) -> (String, ColumnStatistics) {
    let known = ColumnStatistics::new(column.min.as_ref(), column.max.as_ref(), column.nulls);
    (column.name.clone(), known)
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
