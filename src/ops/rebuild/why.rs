//! Why a part of a version cannot be compared with what is built now.

use std::collections::BTreeSet;
use std::fmt;

use crate::ident::{AttemptId, NodeName};
use crate::lake::{MadeFrom, Part};
use crate::plan::{Plan, TypedGraph};

/// Why a part of a version cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// Its SQL, contract or tests are others now, or the program is.
    Definition {
        /// The programs, if they are known to differ: then and now.
        programs: Option<(String, String)>,
    },
    /// A parameter it uses has another value.
    Parameters,
    /// What it reads is not what it was made from.
    Inputs(Vec<String>),
    /// The project publishes no table of that name.
    NotInProject,
    /// Optional sources that it needs are absent.
    LeftOut(Vec<NodeName>),
    /// What its attempt was asked is not in the root any more.
    NoIntent(AttemptId),
    /// What its run was asked does not fit the project any more.
    Request(String),
    /// It, or what it is made from, could not be built.
    Failed,
}

impl WhyNot {
    /// The word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Definition { .. } => "definition_changed",
            Self::Parameters => "parameters_changed",
            Self::Inputs(_) => "inputs_changed",
            Self::NotInProject => "not_in_project",
            Self::LeftOut(_) => "source_absent",
            Self::NoIntent(_) => "intent_missing",
            Self::Request(_) => "request_does_not_fit",
            Self::Failed => "failed",
        }
    }

    /// Why `part` would not be made from the same now; `None` if it would.
    pub(super) fn of(plan: &Plan, typed: &TypedGraph, table: &NodeName, part: &Part) -> Option<Self> {
        let Some(step) = plan.step(table) else {
            let left = plan.left_out.iter().find(|left| left.model == *table);
            return Some(left.map_or(Self::NotInProject, |left| Self::LeftOut(left.sources.clone())));
        };
        if let Some(intervals) = &step.intervals {
            // Another length of intervals, or another first day, gives other ones.
            let Some(interval) = intervals.iter().find(|interval| interval.slice() == part.slice) else {
                return Some(Self::Definition { programs: None });
            };
            let is_same = interval.fingerprint == part.fingerprint;
            return (!is_same).then(|| Self::moved(&part.made_from, &interval.made_from));
        }
        if step.fingerprint != part.fingerprint {
            return Some(Self::moved(&part.made_from, &step.made_from));
        }
        // Another time zone cuts other days.
        let slice = typed.graph.model(table).map(|model| typed.slice(model));
        (slice != Some(part.slice)).then_some(Self::Definition { programs: None })
    }

    fn moved(then: &MadeFrom, now: &MadeFrom) -> Self {
        if then.definition != now.definition {
            return Self::Definition { programs: None };
        }
        if then.parameters != now.parameters {
            return Self::Parameters;
        }
        let names: BTreeSet<&String> = then.inputs.keys().chain(now.inputs.keys()).collect();
        let changed = names.into_iter().filter(|name| then.inputs.get(*name) != now.inputs.get(*name));
        Self::Inputs(changed.cloned().collect())
    }
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Definition { programs: Some((then, now)) } => {
                write!(f, "SQL, contract, tests or program changed: made by {then}, this is {now}")
            }
            Self::Definition { programs: None } => f.write_str("SQL, contract, tests or program changed"),
            Self::Parameters => f.write_str("a parameter it uses has another value"),
            Self::Inputs(names) => write!(f, "changed since: {}", names.join(", ")),
            Self::NotInProject => f.write_str("the project does not publish it any more"),
            Self::LeftOut(sources) => {
                let sources: Vec<String> = sources.iter().map(|source| format!("sources.{source}")).collect();
                write!(f, "it needs {}, which is absent", sources.join(", "))
            }
            Self::NoIntent(attempt) => write!(f, "what attempt {attempt} was asked is not in the root"),
            Self::Request(message) => write!(f, "what its run was asked does not fit any more: {message}"),
            Self::Failed => f.write_str("it could not be built"),
        }
    }
}
