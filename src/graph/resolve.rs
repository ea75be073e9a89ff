//! From names to edges.

use std::collections::{BTreeMap, BTreeSet};

use super::{Graph, Input, Node};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, code, nearest};
use crate::ident::NodeName;
use crate::project::{
    INTERVAL_PARAMETERS, Materialization, Model, Presence, Project, UnitTest, Visibility, quality,
    source_parameters,
};
use crate::query::{InputRef, Query, TableName};

/// Parameters the program binds itself.
const BUILT_IN: [&str; 4] = ["as_of", "as_of_day", "known_at", "time_zone"];

/// Resolves every name of the project and orders its models, inputs first.
///
/// # Errors
///
/// Returns every unknown table, unknown variable, cycle and unfitting unit test at once.
pub fn resolve(project: Project) -> Result<Graph, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut inputs = BTreeMap::new();
    let mut audit_inputs = BTreeMap::new();
    for model in project.models.values() {
        let read = resolve_query(&project, &model.query, Asker::Model(model), &mut found);
        inputs.insert(model.name.clone(), read);
        let audits = model.audits.iter().map(|audit| match audit.query() {
            Some(query) => resolve_query(&project, query, Asker::Audit(&audit.place), &mut found),
            None => Vec::new(),
        });
        audit_inputs.insert(model.name.clone(), audits.collect());
        check_publication(model, &mut found);
        check_latest(&project, model, &mut found);
        check_requires(&project, model, &mut found);
        check_windows(&project, model, inputs.get(&model.name).map_or(&[], Vec::as_slice), &mut found);
    }
    check_variables(&project, &mut found);
    let downstream = downstream(&inputs);
    let order = order(&inputs, &mut found);
    for test in &project.unit_tests {
        check_unit_test(&project, &inputs, test, &mut found);
    }
    if found.has_errors() {
        return Err(with_affected(&found, &project, &downstream));
    }
    Ok(Graph { project, order, inputs, audit_inputs, downstream })
}

fn resolve_query(project: &Project, query: &Query, asker: Asker<'_>, found: &mut Diagnostics) -> Vec<Input> {
    let audit = match asker {
        Asker::Audit(place) => Some(place),
        Asker::Model(_) => None,
    };
    let of_sources = source_parameters(&project.pipeline);
    for parameter in &query.parameters {
        let name = parameter.name.as_str();
        if let Asker::Model(model) = asker
            && let Some(wrong) = wrong_time(model, name)
        {
            found.push(wrong.at(parameter.place.clone()));
            continue;
        }
        let known = project.pipeline.variables.contains_key(name) || of_sources.contains_key(name);
        let known = known || matches!(asker, Asker::Model(_)) && INTERVAL_PARAMETERS.contains(&name);
        if !known && !BUILT_IN.contains(&parameter.name.as_str()) {
            let place = audit.cloned().unwrap_or_else(|| parameter.place.clone());
            found.push(unknown_variable(project, &parameter.name, place));
        }
    }
    let mut inputs = Vec::new();
    for written in &query.inputs {
        let place = audit.cloned().unwrap_or_else(|| written.place.clone());
        match meaning(project, written) {
            Some((table, node)) => inputs.push(Input { table, node, place }),
            None => found.push(unknown_table(project, &written.written, place)),
        }
    }
    inputs
}

/// Whose query it is.
#[derive(Clone, Copy)]
enum Asker<'a> {
    Model(&'a Model),
    Audit(&'a Place),
}

/// A parameter that tells a time which a model of this kind does not have.
fn wrong_time(model: &Model, parameter: &str) -> Option<Diagnostic> {
    let name = &model.name;
    let is_of_interval = INTERVAL_PARAMETERS.contains(&parameter);
    match (model.is_incremental(), parameter) {
        (true, "as_of" | "as_of_day") => {
            let message =
                format!("an interval of `{name}` would depend on the day looked from: `${parameter}`");
            let wrong = Diagnostic::error(code::BAD_TIMING, message);
            let wrong = wrong.help("use `$interval_end`, so that an interval stays as it is while days pass");
            Some(wrong.help("or write `materialized: table`, which is built whole each time"))
        }
        (false, _) if is_of_interval => {
            let message = format!("`{name}` has no intervals, so there is no `${parameter}`");
            let wrong = Diagnostic::error(code::BAD_TIMING, message);
            Some(wrong.help("write `materialized: incremental`, or use `$as_of`"))
        }
        _ => None,
    }
}

fn meaning(project: &Project, written: &InputRef) -> Option<(TableName, Node)> {
    let table = written.table.clone()?;
    let is_source = |name: &NodeName| project.pipeline.sources.contains_key(name);
    let is_told =
        |name: &NodeName| project.pipeline.has_contracts() && quality::relation(name.as_str()).is_some();
    let node = match &table {
        TableName::Source(name) if is_told(name) => Node::Source(name.clone()),
        TableName::Bare(name) if project.models.contains_key(name) => Node::Model(name.clone()),
        TableName::Bare(name) | TableName::Source(name) if is_source(name) => Node::Source(name.clone()),
        TableName::Bare(name) => Node::Model(project.snapshot_of(name)?.name.clone()),
        TableName::Source(_) => return None,
    };
    Some((table, node))
}

fn unknown_table(project: &Project, written: &str, place: Place) -> Diagnostic {
    let message = format!("table `{written}` not found");
    let found = Diagnostic::error(code::UNKNOWN_TABLE, message).at(place);
    let models = project.models.keys().map(ToString::to_string);
    let sources = project.pipeline.sources.keys();
    let sources = sources.flat_map(|name| [name.to_string(), format!("sources.{name}")]);
    let known: Vec<String> = models.chain(sources).collect();
    match nearest(written, known.iter().map(String::as_str)) {
        Some(near) => found.label(format!("did you mean `{near}`?")),
        None => {
            found.help(format!("add it under `sources:` or `models:` of {}", project.pipeline.file.path()))
        }
    }
}

fn unknown_variable(project: &Project, name: &str, place: Place) -> Diagnostic {
    let message = format!("parameter `${name}` is not declared");
    let found = Diagnostic::error(code::UNKNOWN_VARIABLE, message).at(place);
    let known = project.pipeline.variables.keys().map(crate::ident::VariableName::as_str).chain(BUILT_IN);
    match nearest(name, known) {
        Some(near) => found.label(format!("did you mean `${near}`?")),
        None => found.help(format!("declare it under `vars:` of {}", project.pipeline.file.path())),
    }
}

fn check_publication(model: &Model, found: &mut Diagnostics) {
    if model.visibility == Visibility::Internal {
        let kept = match model.materialization {
            Materialization::Snapshot => Some(("snapshot", "history of it is")),
            Materialization::Incremental => Some(("incremental model", "intervals of it are")),
            Materialization::Table | Materialization::View => None,
        };
        if let Some((what, kept)) = kept {
            let message = format!("{what} `{}` is not published, so no {kept} kept", model.name);
            let wrong = Diagnostic::error(code::WRONG_VALUE, message).at(model.place.clone());
            found.push(wrong.help("add it to `publish:`, or write `materialized: table`"));
        }
        return;
    }
    if model.materialization == Materialization::View {
        let message = format!("view `{}` cannot be published", model.name);
        let wrong = Diagnostic::error(code::WRONG_VALUE, message).at(model.place.clone());
        found.push(wrong.help("write `materialized: table`, or take it out of `publish:`"));
    }
    if model.contract.grain.is_empty() {
        let message = format!("published table `{}` has no grain", model.name);
        let missing = Diagnostic::error(code::MISSING_KEY, message).at(model.place.clone());
        found.push(missing.help("write `grain: [columns that identify a row]`"));
    }
}

/// The latest snapshot has a name of its own, which nothing else may have.
fn check_latest(project: &Project, model: &Model, found: &mut Diagnostics) {
    let Some(latest) = model.latest() else { return };
    let source = project.pipeline.sources.get(&latest).map(|source| source.place.clone());
    let taken = project.models.get(&latest).map(|other| other.place.clone()).or(source);
    if let Some(place) = taken {
        let message = format!("`{latest}` is the latest snapshot of `{}`", model.name);
        let twice = Diagnostic::error(code::DUPLICATE_NAME, message).at(place);
        found.push(twice.help("give one of them another name"));
    }
}

/// A model can only be left out for want of a source that may be absent.
fn check_requires(project: &Project, model: &Model, found: &mut Diagnostics) {
    let sources = &project.pipeline.sources;
    for required in &model.requires {
        let name = &required.value;
        let wrong = match sources.get(name) {
            None => {
                let unknown = Diagnostic::error(code::UNKNOWN_TABLE, format!("there is no source `{name}`"));
                match nearest(name.as_str(), sources.keys().map(NodeName::as_str)) {
                    Some(near) => unknown.label(format!("did you mean `{near}`?")),
                    None => unknown,
                }
            }
            Some(source) if source.presence == Presence::Compulsory => {
                let message = format!("source `{name}` is never absent, so `requires` says nothing");
                let wrong = Diagnostic::error(code::WRONG_VALUE, message);
                wrong.help(format!("write `optional: true` for `{name}`, or take it out of `requires`"))
            }
            Some(_) => continue,
        };
        found.push(wrong.at(required.place.clone()));
    }
}

/// What a model says of its inputs' times must be of something it reads, or that refers to it.
fn check_windows(project: &Project, model: &Model, read: &[Input], found: &mut Diagnostics) {
    let Some(timing) = &model.timing else { return };
    let mut names: BTreeSet<String> = BTreeSet::new();
    for input in read {
        names.extend([input.table.to_string(), input.node.to_string()]);
    }
    let mut open: Vec<&NodeName> = read.iter().filter_map(|input| input.node.source()).collect();
    let mut parents = BTreeSet::new();
    while let Some(name) = open.pop() {
        let source = project.pipeline.sources.get(name);
        let of_source = source.into_iter().flat_map(crate::project::Source::parents);
        open.extend(of_source.filter(|parent| parents.insert((*parent).clone())));
    }
    names.extend(parents.iter().map(|parent| format!("sources.{parent}")));
    for (name, window) in &timing.inputs {
        if names.contains(name) {
            let named = |input: &&Input| input.table.to_string() == *name || input.node.to_string() == *name;
            if let Some(input) = read.iter().find(named)
                && window.value.is_about_times()
                && !tells_times(project, &input.node)
            {
                let message =
                    format!("`{name}` tells no time of its rows, so all of them are read each time");
                let timeless = Diagnostic::error(code::BAD_TIMING, message).at(window.place.clone());
                let timeless = timeless.help(match &input.node {
                    Node::Model(model) => format!("give `{model}` an `event_time`, or leave the days out"),
                    Node::Source(_) => {
                        "give the source's contract an `event_time`, or leave the days out".to_owned()
                    }
                });
                found.push(timeless.help("`changes: ignore` may be said of it"));
            }
            continue;
        }
        let message = format!("`{}` does not read `{name}`", model.name);
        let unknown = Diagnostic::error(code::UNKNOWN_TABLE, message).at(window.place.clone());
        found.push(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => unknown.label(format!("did you mean `{near}`?")),
            None => {
                unknown.help(format!("it reads: {}", names.iter().cloned().collect::<Vec<_>>().join(", ")))
            }
        });
    }
}

/// Whether it is known which time the rows of `node` are of.
fn tells_times(project: &Project, node: &Node) -> bool {
    match node {
        Node::Model(name) => project.models.get(name).is_some_and(|model| model.timing.is_some()),
        Node::Source(name) => project.pipeline.sources.get(name).is_some_and(|source| {
            let contract = source.contract.as_ref();
            source.event_time.is_some() || contract.is_some_and(|contract| contract.dated_by.is_some())
        }),
    }
}

/// No variable may stand for what the program tells of a source.
fn check_variables(project: &Project, found: &mut Diagnostics) {
    let of_sources = source_parameters(&project.pipeline);
    for (name, variable) in &project.pipeline.variables {
        if of_sources.contains_key(name) || INTERVAL_PARAMETERS.contains(&name.as_str()) {
            let message = format!("`{name}` is bound by the program and cannot be a variable");
            found.push(Diagnostic::error(code::DUPLICATE_NAME, message).at(variable.place.clone()));
        }
    }
}

fn downstream(inputs: &BTreeMap<NodeName, Vec<Input>>) -> BTreeMap<NodeName, BTreeSet<NodeName>> {
    let mut downstream: BTreeMap<NodeName, BTreeSet<NodeName>> = BTreeMap::new();
    for (reader, read) in inputs {
        for input in read {
            if let Node::Model(name) = &input.node {
                downstream.entry(name.clone()).or_default().insert(reader.clone());
            }
        }
    }
    downstream
}

/// Orders by repeatedly taking the models whose inputs are all taken; what is left has a cycle.
fn order(inputs: &BTreeMap<NodeName, Vec<Input>>, found: &mut Diagnostics) -> Vec<NodeName> {
    let mut order = Vec::new();
    let mut taken: BTreeSet<&NodeName> = BTreeSet::new();
    loop {
        let ready = |name: &NodeName, read: &[Input]| {
            !taken.contains(name)
                && read.iter().all(|input| match &input.node {
                    Node::Model(model) => taken.contains(model),
                    Node::Source(_) => true,
                })
        };
        let next: Vec<&NodeName> =
            inputs.iter().filter(|(name, read)| ready(name, read)).map(|(name, _)| name).collect();
        if next.is_empty() {
            break;
        }
        order.extend(next.iter().map(|name| (*name).clone()));
        taken.extend(next);
    }
    let left: BTreeSet<&NodeName> = inputs.keys().filter(|name| !taken.contains(name)).collect();
    report_cycles(inputs, left, found);
    order
}

fn report_cycles<'a>(
    inputs: &'a BTreeMap<NodeName, Vec<Input>>,
    mut left: BTreeSet<&'a NodeName>,
    found: &mut Diagnostics,
) {
    while let Some(start) = left.first().copied() {
        let Some(circle) = circle_from(inputs, &left, start) else {
            left.remove(start);
            continue;
        };
        let names: Vec<String> = circle.iter().map(|(name, _)| format!("`{name}`")).collect();
        let message = format!("models read each other in a circle: {} → {}", names.join(" → "), names[0]);
        let mut cycle = Diagnostic::error(code::CYCLE, message);
        if let Some((_, input)) = circle.first() {
            cycle = cycle.at(input.place.clone());
        }
        for (name, input) in circle.iter().skip(1) {
            cycle = cycle.help(format!("`{name}` reads `{}` at {}", input.node, input.place));
        }
        found.push(cycle.help("take one of these inputs out"));
        for (name, _) in &circle {
            left.remove(name);
        }
    }
}

/// The circle that following the first unfinished input from `start` ends in.
fn circle_from<'a>(
    inputs: &'a BTreeMap<NodeName, Vec<Input>>,
    left: &BTreeSet<&'a NodeName>,
    start: &'a NodeName,
) -> Option<Vec<(&'a NodeName, &'a Input)>> {
    let mut path: Vec<(&NodeName, &Input)> = Vec::new();
    let mut at = start;
    loop {
        if let Some(first) = path.iter().position(|(name, _)| *name == at) {
            return Some(path.split_off(first));
        }
        let next = inputs.get(at)?.iter().find_map(|input| match &input.node {
            Node::Model(name) => left.get(name).map(|name| (*name, input)),
            Node::Source(_) => None,
        });
        let (name, input) = next?;
        path.push((at, input));
        at = name;
    }
}

fn check_unit_test(
    project: &Project,
    inputs: &BTreeMap<NodeName, Vec<Input>>,
    test: &UnitTest,
    found: &mut Diagnostics,
) {
    let model = &test.model.value;
    let Some(read) = inputs.get(model) else {
        let message = format!("unit test `{}` is for `{model}`, which is no model", test.name);
        let wrong = Diagnostic::error(code::BAD_UNIT_TEST, message).at(test.model.place.clone());
        found.push(match nearest(model.as_str(), project.models.keys().map(NodeName::as_str)) {
            Some(near) => wrong.label(format!("did you mean `{near}`?")),
            None => wrong,
        });
        return;
    };
    for (table, rows) in &test.given {
        if !read.iter().any(|input| input.table == *table) {
            let names: Vec<String> = read.iter().map(|input| input.table.to_string()).collect();
            let message = format!("`{model}` does not read `{table}`");
            let wrong = Diagnostic::error(code::BAD_UNIT_TEST, message).at(rows.place.clone());
            found.push(wrong.help(format!("it reads: {}", names.join(", "))));
        }
    }
    for cell in test.expect.value.iter().chain(&test.only).flatten() {
        let known =
            project.models.get(model).is_some_and(|model| model.contract.column(&cell.column).is_some());
        if !known {
            let message = format!("`{model}` has no column `{}`", cell.column);
            found.push(Diagnostic::error(code::BAD_UNIT_TEST, message).at(cell.place.clone()));
        }
    }
}

/// Adds to each finding in a model's SQL the models that cannot be computed because of it.
fn with_affected(
    found: &Diagnostics,
    project: &Project,
    downstream: &BTreeMap<NodeName, BTreeSet<NodeName>>,
) -> Diagnostics {
    let of_place = |place: &Place| project.models.values().find(|model| model.query.file.has(place));
    let add = |finding: Diagnostic| {
        let place = finding.place.as_ref();
        let Some(model) = place.and_then(of_place) else {
            return finding;
        };
        let mut affected = BTreeSet::new();
        let mut open = vec![model.name.clone()];
        while let Some(name) = open.pop() {
            for reader in downstream.get(&name).into_iter().flatten() {
                if *reader != model.name && affected.insert(reader.clone()) {
                    open.push(reader.clone());
                }
            }
        }
        finding.affects(affected.into_iter().collect())
    };
    found.iter().cloned().map(add).collect()
}
