//! `check --connect`: the way to the sources and to the root, one permission after the other.

use bytes::Bytes;

use super::{Common, Error, Surroundings, context};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::state;
use crate::store::{Created, Key, Store, StoreError};

/// What a place can be used for.
#[derive(Debug, Clone)]
pub struct Connection {
    /// What lies there: `sources` or `root`.
    pub role: &'static str,
    /// Its address.
    pub url: String,
    /// What worked, in order.
    pub works: Vec<String>,
    /// What did not work, and why; nothing was tried after it.
    pub fails: Option<(&'static str, Diagnostics)>,
}

/// Lists and reads the sources, and does at the root all that a run does there, with an object
/// that is removed again.
///
/// # Errors
///
/// Returns what keeps the places from being known at all; what they refuse is in the answer.
pub async fn connect(around: &Surroundings, common: &Common) -> Result<Vec<Connection>, Error> {
    let graph = context::compile(around, common)?;
    let pipeline = &graph.project().pipeline;
    let (sources, root) =
        (context::sources(around, common, pipeline)?, context::root(around, common, pipeline)?);
    let read = match state::pin(&graph, &sources, None).await {
        Ok(state) => {
            let files: usize = state.sources.values().map(|source| source.files.len()).sum();
            let rows: u64 = state.sources.values().map(|source| source.rows).sum();
            let count = state.sources.len();
            let works = vec![format!("list: {count} sources"), format!("read: {files} files, {rows} rows")];
            Connection { role: "sources", url: sources.url().to_string(), works, fails: None }
        }
        Err(found) => {
            let fails = Some(("list and read", found));
            Connection { role: "sources", url: sources.url().to_string(), works: Vec::new(), fails }
        }
    };
    Ok(vec![read, probe(&root, &(around.fresh_word)()).await])
}

/// What a run does at a root, in the order of the permissions it needs.
async fn probe(root: &Store, word: &str) -> Connection {
    let mut connection =
        Connection { role: "root", url: root.url().to_string(), works: Vec::new(), fails: None };
    if let Err((what, found)) = use_root(root, word, &mut connection.works).await {
        connection.fails = Some((what, found));
    }
    connection
}

async fn use_root(
    root: &Store,
    word: &str,
    works: &mut Vec<String>,
) -> Result<(), (&'static str, Diagnostics)> {
    let told = |what: &'static str| move |cause: StoreError| (what, Diagnostics::from(cause.to_diagnostic()));
    let key = Key::parse(&format!("_goodwill/probe/{word}.json"))
        .map_err(|cause| ("write", Diagnostics::from(Diagnostic::error(code::BUG, cause.to_string()))))?;
    let mut done = |what: &str| works.push(what.to_owned());
    let folder = Key::parse("_goodwill/commits").map_err(|cause| told("list")(cause.into()))?;
    root.list(&folder).await.map_err(told("list"))?;
    done("list");
    root.create(&key, Bytes::from_static(b"1\n")).await.map_err(told("write"))?;
    done("write");
    let again = root.create(&key, Bytes::from_static(b"2\n")).await.map_err(told("write"))?;
    let kept = root.get(&key).await.map_err(told("read"))?;
    done("read");
    root.delete(&key).await.map_err(told("delete"))?;
    done("delete");
    if again == Created::AlreadyExists && kept == b"1\n".as_slice() {
        done("create if absent");
        return Ok(());
    }
    let ignored = crate::lake::LakeError::PreconditionsIgnored { url: root.url().to_string() };
    Err(("create if absent", ignored.to_diagnostic().into()))
}
