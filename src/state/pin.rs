//! The one look at the world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use futures::{StreamExt, stream};
use globset::GlobBuilder;
use sha2::{Digest, Sha256};

use super::{PinnedFile, SourceState, Standing, State, drift, lock};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine::{self, Footer};
use crate::graph::Graph;
use crate::ident::NodeName;
use crate::lake::Commit;
use crate::project::{Model, Presence, Source, SourceCheck};
use crate::store::{Key, ObjectInfo, Store};

/// How many requests are under way at once.
const REQUESTS: usize = 16;

/// What the footers of one source that are kept may take in memory, in bytes; others are read again.
const KEPT_FOOTERS: usize = 16 << 20;

/// Lists every source the graph's models read, reads the footers of its files, and freezes all.
///
/// # Errors
///
/// Returns, for all sources at once: no files or no rows (GW0401), files that cannot be read
/// (GW0402), files that differ from their source's contract, or among themselves where there is
/// none (GW0403), and stores that do not answer.
pub async fn pin(graph: &Graph, location: &Store, last: Option<Commit>) -> Result<State, Diagnostics> {
    let wanted: Vec<&Source> = graph.sources().collect();
    let measured = measured(graph, &wanted);
    let none = BTreeSet::new();
    let looks = wanted.iter().map(|source| {
        let columns = measured.get(&source.name).unwrap_or(&none);
        look(source, columns, location)
    });
    let looked: Vec<_> = stream::iter(looks).buffered(REQUESTS).collect().await;
    let mut found = Diagnostics::default();
    let mut state = State { last, ..State::default() };
    for (source, result) in wanted.iter().zip(looked) {
        if let Some(pinned) = found.keep(result) {
            state.sources.insert(source.name.clone(), pinned);
        }
    }
    found.or_ok(state)
}

/// The pinned files that are not what they were: replaced, changed or gone.
///
/// # Errors
///
/// Returns `GW0404` for each such file, and stores that do not answer.
pub async fn moved(state: &State) -> Result<(), Diagnostics> {
    let files: Vec<(&NodeName, &PinnedFile)> = state
        .sources
        .iter()
        .flat_map(|(name, source)| source.files.iter().map(move |file| (name, file)))
        .collect();
    let looks = files.iter().map(|(name, file)| async move {
        let now = file.store.head(&file.info.key).await.map_err(|cause| cause.to_diagnostic())?;
        let same = now.as_ref().is_some_and(|now| (now.size, &now.etag) == (file.info.size, &file.info.etag));
        if same {
            return Ok(());
        }
        let file = file.store.locate(&file.info.key);
        let message = format!("`{file}` of source `{name}` changed while the run read it");
        let found = Diagnostic::error(code::INPUT_MOVED, message);
        Err(found.help("nothing was published; run again when the source is at rest"))
    });
    let looked: Vec<Result<(), Diagnostic>> = stream::iter(looks).buffered(REQUESTS).collect().await;
    looked.into_iter().filter_map(Result::err).collect::<Diagnostics>().or_ok(())
}

/// The columns of each source that tell which files make the rows of an interval: times and keys.
fn measured<'a>(graph: &Graph, sources: &[&'a Source]) -> BTreeMap<NodeName, BTreeSet<&'a str>> {
    let mut measured: BTreeMap<NodeName, BTreeSet<&str>> = BTreeMap::new();
    if !graph.models().any(Model::is_incremental) {
        return measured;
    }
    for source in sources {
        let mut own: BTreeSet<&str> = source.event_time.iter().map(|column| column.value.as_str()).collect();
        if let Some(contract) = &source.contract {
            own.extend(contract.table.grain.first().map(String::as_str));
            for rule in &contract.rules {
                if let SourceCheck::Orphan { column, to, field } = &rule.check {
                    own.insert(column);
                    measured.entry(to.clone()).or_default().insert(field);
                }
            }
        }
        measured.entry(source.name.clone()).or_default().extend(own);
    }
    measured
}

async fn look(
    source: &Source,
    measured: &BTreeSet<&str>,
    location: &Store,
) -> Result<SourceState, Diagnostics> {
    let (infos, folder) = list(source, location).await?;
    if infos.is_empty() {
        return without_files(source, &location.locate(&folder));
    }
    let infos = marked(infos, location).await?;
    let footers = infos.iter().map(|info| engine::read_footer(location, info));
    let footers: Vec<Result<Footer, Diagnostic>> = stream::iter(footers).buffered(REQUESTS).collect().await;
    let mut found = Diagnostics::default();
    let mut files = Vec::new();
    let mut schemas = Vec::new();
    let mut kept = 0;
    for (info, footer) in infos.into_iter().zip(footers) {
        let Some(footer) = found.keep(footer.map_err(Diagnostics::from)) else { continue };
        schemas.push((location.locate(&info.key), footer.schema));
        let extent = |column: &&str| Some(((*column).to_owned(), engine::extent(&footer.metadata, column)?));
        let extents = measured.iter().filter_map(extent).collect();
        let mark = mark(&info);
        kept += footer.metadata.memory();
        let metadata = Some(footer.metadata).filter(|_| kept <= KEPT_FOOTERS);
        files.push(PinnedFile {
            store: location.clone(),
            info,
            rows: footer.rows,
            kind: 0,
            mark,
            extents,
            metadata,
        });
    }
    found.or_ok(())?;
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    if rows == 0 && source.presence == Presence::Compulsory {
        let location = schemas.first().map(|(name, _)| name.as_str()).unwrap_or_default();
        return Err(missing(source, "no rows", location)
            .help("a run over an empty source would publish empty tables; load the source first")
            .into());
    }
    let fingerprint = fingerprint(&files);
    let bytes = files.iter().map(|file| file.info.size).sum();
    let mut state =
        SourceState { rows, bytes, fingerprint, ..lock::without_files(same_columns(source, &schemas)?) };
    if let Some(contract) = &source.contract {
        let compared = drift::compare(source, contract, &schemas)?;
        files.iter_mut().zip(compared.of_file).for_each(|(file, kind)| file.kind = kind);
        state = SourceState { kinds: compared.kinds, warning: compared.warning, ..state };
    }
    Ok(SourceState { files, ..state })
}

/// A source that has no files: an empty table if it may be absent.
fn without_files(source: &Source, location: &str) -> Result<SourceState, Diagnostics> {
    match (&source.contract, source.presence) {
        (Some(contract), Presence::Optional) => {
            let state = lock::without_files(engine::contract_schema(contract));
            Ok(SourceState { standing: Standing::Absent, fingerprint: "absent".to_owned(), ..state })
        }
        _ => {
            let missing = missing(source, "no Parquet files", location);
            Err(missing.help("load the source, or say where it is with `--sources`").into())
        }
    }
}

fn missing(source: &Source, what: &str, location: &str) -> Diagnostic {
    let message = format!("source `{}` has {what}: `{location}`", source.name);
    Diagnostic::error(code::MISSING_SOURCE, message).at(source.path.place.clone())
}

/// The columns SQL reads: the contract's; without one, those that all files have.
fn same_columns(source: &Source, files: &[(String, SchemaRef)]) -> Result<SchemaRef, Diagnostics> {
    if let Some(contract) = &source.contract {
        return Ok(engine::contract_schema(contract));
    }
    let mut found = Diagnostics::default();
    let mut files = files.iter();
    let Some((first_name, first)) = files.next() else { return Ok(Arc::new(Schema::empty())) };
    for (name, schema) in files {
        if let Some(difference) = difference(first, schema) {
            let message = format!("files of source `{}` differ: {difference}", source.name);
            let differ = Diagnostic::error(code::SOURCE_CHANGED, message).at(source.path.place.clone());
            found.push(differ.help(format!("compare `{first_name}` with `{name}`")));
        }
    }
    found.or_ok(Arc::clone(first))
}

/// The same files, each with the store's mark: some stores do not tell it in listings.
async fn marked(infos: Vec<ObjectInfo>, location: &Store) -> Result<Vec<ObjectInfo>, Diagnostics> {
    let asked = infos.into_iter().map(|info| async move {
        if info.etag.is_some() {
            return Ok(info);
        }
        let found = location.head(&info.key).await.map_err(|cause| cause.to_diagnostic())?;
        Ok(found.unwrap_or(info))
    });
    let asked: Vec<Result<ObjectInfo, Diagnostic>> = stream::iter(asked).buffered(REQUESTS).collect().await;
    let mut found = Diagnostics::default();
    let infos = asked.into_iter().filter_map(|info| found.keep(info.map_err(Diagnostics::from))).collect();
    found.or_ok(infos)
}

/// The Parquet files a source's path means, a folder, one file, or a glob, and where they are
/// looked for.
async fn list(source: &Source, location: &Store) -> Result<(Vec<ObjectInfo>, Key), Diagnostics> {
    let path = source.path.value.trim_start_matches("./").trim_end_matches('/');
    let is_glob = path.contains(['*', '?', '[', '{']);
    let folder =
        if is_glob { path.split(['*', '?', '[', '{']).next().map_or("", before_slash) } else { path };
    let bad = |cause: String| {
        let found = Diagnostic::error(code::WRONG_VALUE, cause).at(source.path.place.clone());
        Diagnostics::from(found)
    };
    let key = if folder.is_empty() { Ok(Key::root()) } else { Key::parse(folder) };
    let key = key.map_err(|cause| bad(cause.to_string()))?;
    let listed = if is_parquet(path) && !is_glob {
        location.head(&key).await.map(|info| info.into_iter().collect())
    } else {
        location.list(&key).await
    };
    let mut infos = listed.map_err(|cause| Diagnostics::from(cause.to_diagnostic()))?;
    if is_glob {
        let glob = GlobBuilder::new(path).literal_separator(true).build();
        let glob = glob.map_err(|cause| bad(cause.to_string()))?.compile_matcher();
        infos.retain(|info| glob.is_match(info.key.as_str()));
    } else {
        infos.retain(is_data);
    }
    Ok((infos, key))
}

fn before_slash(prefix: &str) -> &str {
    prefix.rfind('/').map_or("", |at| &prefix[..at])
}

fn is_parquet(path: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet"))
}

/// Spark's and Hive's markers and hidden files are no data.
fn is_data(info: &ObjectInfo) -> bool {
    let hidden = info.key.as_str().split('/').any(|part| part.starts_with(['_', '.']));
    is_parquet(info.key.as_str()) && !hidden
}

fn difference(first: &SchemaRef, other: &SchemaRef) -> Option<String> {
    for field in first.fields() {
        match other.field_with_name(field.name()) {
            Err(_) => return Some(format!("column `{}` is not in all of them", field.name())),
            Ok(found) if found.data_type() != field.data_type() => {
                let (one, two) = (field.data_type(), found.data_type());
                return Some(format!("column `{}` is {one} and {two}", field.name()));
            }
            Ok(_) => {}
        }
    }
    let extra = other.fields().iter().find(|field| first.index_of(field.name()).is_err());
    extra.map(|field| format!("column `{}` is not in all of them", field.name()))
}

fn fingerprint(files: &[PinnedFile]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(identity(&file.info));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What tells a file from others. Not where the store lies: the same objects elsewhere are the same
/// source.
fn identity(info: &ObjectInfo) -> String {
    let etag = info.etag.clone().unwrap_or_else(|| info.modified_micros.to_string());
    format!("{}\n{}\n{etag}\n", info.key, info.size)
}

/// The first 64 bits of the hash of what tells a file from others.
fn mark(info: &ObjectInfo) -> String {
    let hash = Sha256::digest(identity(info));
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
