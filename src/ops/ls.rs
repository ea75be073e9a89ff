//! `ls`: the models of a pipeline.

use super::{Common, Error, Surroundings, context, facts};
use crate::graph::{Facts, Graph, Selection};
use crate::ident::NodeName;
use crate::lake::Lake;
use crate::project::{Materialization, Model, Visibility};

/// One model, as `ls` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: NodeName,
    /// Its SQL file, seen from the project's folder.
    pub path: String,
    /// How it is kept.
    pub materialization: Materialization,
    /// Whether it is published.
    pub visibility: Visibility,
    /// Words to select it by.
    pub tags: Vec<String>,
    /// The columns that identify a row.
    pub grain: Vec<String>,
    /// What its SQL reads: models, and sources as `sources.orders`.
    pub reads: Vec<String>,
    /// What one row is.
    pub description: String,
}

/// The selected models, inputs first.
///
/// # Errors
///
/// Returns every mistake of the project's files and names, a selection that matches nothing, and a
/// root that cannot be read where the selection asks what was published.
pub async fn ls(around: &Surroundings, common: &Common) -> Result<Vec<Listed>, Error> {
    let graph = context::compile(around, common)?;
    let selection = Selection::parse(&common.select, &common.exclude)?;
    selection.check(&graph)?;
    let facts = if selection.depends_on_facts() {
        let lake = Lake::open(context::root(around, common, &graph.project().pipeline)?).await?;
        facts::look(&lake, common, &graph).await?
    } else {
        Facts::default()
    };
    let selected = selection.evaluate(&graph, &facts)?;
    let models = graph.models().filter(|model| selected.contains(&model.name));
    Ok(models.map(|model| listed(&graph, model)).collect())
}

fn listed(graph: &Graph, model: &Model) -> Listed {
    Listed {
        name: model.name.clone(),
        path: model.query.file.path().to_owned(),
        materialization: model.materialization,
        visibility: model.visibility,
        tags: model.tags.clone(),
        grain: model.contract.grain.clone(),
        reads: graph.inputs(&model.name).iter().map(|input| input.node.to_string()).collect(),
        description: model.contract.description.clone(),
    }
}
