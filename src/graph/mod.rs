//! Which model reads which: names become edges, everything unsound is found at once.
//!
//! **Invariant:** pure. A [`Graph`] has no cycle, no unknown name and no duplicate; its models
//! are ordered inputs first, ties by name, so that the same project always gives the same order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::diagnostic::Place;
use crate::ident::NodeName;
use crate::project::{Model, Project, Source, quality};
use crate::query::TableName;

mod resolve;
mod select;

pub use resolve::resolve;
pub use select::{Facts, Selection};

/// A node of the graph.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A raw source.
    Source(NodeName),
    /// A model.
    Model(NodeName),
}

impl Node {
    /// The source, if it is one.
    #[must_use]
    pub const fn source(&self) -> Option<&NodeName> {
        match self {
            Self::Source(name) => Some(name),
            Self::Model(_) => None,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(name) => write!(f, "sources.{name}"),
            Self::Model(name) => write!(f, "{name}"),
        }
    }
}

/// One input of a query: what it is called there and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The name in the SQL.
    pub table: TableName,
    /// The node it means.
    pub node: Node,
    /// Where it is first read.
    pub place: Place,
}

impl Input {
    /// Whether a snapshot's latest state is meant, not its history: its table is called otherwise.
    #[must_use]
    pub fn is_latest(&self) -> bool {
        matches!(&self.node, Node::Model(name) if self.table.node() != name)
    }
}

/// A sound project: every name resolved, models inputs first.
#[derive(Debug, Clone)]
pub struct Graph {
    project: Project,
    order: Vec<NodeName>,
    inputs: BTreeMap<NodeName, Vec<Input>>,
    audit_inputs: BTreeMap<NodeName, Vec<Vec<Input>>>,
    downstream: BTreeMap<NodeName, BTreeSet<NodeName>>,
}

impl Graph {
    /// The project as written.
    #[must_use]
    pub const fn project(&self) -> &Project {
        &self.project
    }

    /// The models, inputs first.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.order.iter().filter_map(|name| self.project.models.get(name))
    }

    /// The model called `name`.
    #[must_use]
    pub fn model(&self, name: &NodeName) -> Option<&Model> {
        self.project.models.get(name)
    }

    /// What the model's SQL reads, in the order of its text.
    #[must_use]
    pub fn inputs(&self, model: &NodeName) -> &[Input] {
        self.inputs.get(model).map(Vec::as_slice).unwrap_or_default()
    }

    /// What the SQL of the model's audits reads, one list an audit, in the audits' order.
    #[must_use]
    pub fn audit_inputs(&self, model: &NodeName) -> &[Vec<Input>] {
        self.audit_inputs.get(model).map(Vec::as_slice).unwrap_or_default()
    }

    /// The models that read `model` directly.
    #[must_use]
    pub fn readers(&self, model: &NodeName) -> BTreeSet<NodeName> {
        self.downstream.get(model).cloned().unwrap_or_default()
    }

    /// All models that need `model`, itself left out.
    #[must_use]
    pub fn all_downstream(&self, model: &NodeName) -> BTreeSet<NodeName> {
        Self::reach(model, |name| self.readers(name))
    }

    /// All models that `model` needs, itself left out.
    #[must_use]
    pub fn all_upstream(&self, model: &NodeName) -> BTreeSet<NodeName> {
        Self::reach(model, |name| self.models_read(name))
    }

    /// The models the model's SQL reads.
    #[must_use]
    pub fn models_read(&self, model: &NodeName) -> BTreeSet<NodeName> {
        let names = self.inputs(model).iter().filter_map(|input| match &input.node {
            Node::Model(name) => Some(name.clone()),
            Node::Source(_) => None,
        });
        names.collect()
    }

    /// The sources the model's SQL reads.
    #[must_use]
    pub fn sources_read(&self, model: &NodeName) -> BTreeSet<NodeName> {
        self.inputs(model).iter().filter_map(|input| input.node.source().cloned()).collect()
    }

    /// The sources that models read, and those their rows refer to, by name.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let mut open: Vec<NodeName> =
            self.models().flat_map(|model| self.all_sources_read(&model.name)).collect();
        let mut wanted = BTreeSet::new();
        while let Some(name) = open.pop() {
            let source = self.project.pipeline.sources.get(&name);
            if wanted.insert(name) {
                open.extend(source.into_iter().flat_map(Source::parents).cloned());
            }
        }
        self.project.pipeline.sources.values().filter(move |source| wanted.contains(&source.name))
    }

    /// The sources with a contract that reading `read` needs, those their rows refer to first: all of
    /// them for what the program tells of the sources.
    #[must_use]
    pub fn intakes(&self, read: &BTreeSet<NodeName>) -> Vec<&Source> {
        let all = read.iter().any(|name| quality::relation(name.as_str()).is_some());
        let sources: Vec<&Source> = self.sources().filter(|source| source.contract.is_some()).collect();
        let mut wanted: BTreeSet<NodeName> =
            if all { sources.iter().map(|source| source.name.clone()).collect() } else { read.clone() };
        let mut open: Vec<NodeName> = wanted.iter().cloned().collect();
        while let Some(name) = open.pop() {
            let source = self.project.pipeline.sources.get(&name);
            let parents = source.into_iter().flat_map(Source::parents);
            open.extend(parents.filter(|parent| wanted.insert((*parent).clone())).cloned());
        }
        let mut order: Vec<&Source> = Vec::new();
        let mut left: Vec<&Source> =
            sources.into_iter().filter(|source| wanted.contains(&source.name)).collect();
        while !left.is_empty() {
            let ready = |source: &&Source| {
                source.parents().all(|parent| order.iter().any(|done| done.name == *parent))
            };
            let (next, rest): (Vec<&Source>, Vec<&Source>) = left.into_iter().partition(ready);
            if next.is_empty() {
                // Circles were refused when the project was read.
                break;
            }
            order.extend(next);
            left = rest;
        }
        order
    }

    /// The sources the model's SQL and its audits read.
    #[must_use]
    pub fn all_sources_read(&self, model: &NodeName) -> BTreeSet<NodeName> {
        let audits = self.audit_inputs(model).iter().flatten();
        self.inputs(model).iter().chain(audits).filter_map(|input| input.node.source().cloned()).collect()
    }

    fn reach(from: &NodeName, next: impl Fn(&NodeName) -> BTreeSet<NodeName>) -> BTreeSet<NodeName> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<NodeName> = next(from).into_iter().collect();
        while let Some(name) = open.pop() {
            if reached.insert(name.clone()) {
                open.extend(next(&name));
            }
        }
        reached.remove(from);
        reached
    }
}
