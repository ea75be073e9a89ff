//! Segments of customers: the rules that YAML files list, made into two models of the program.
//!
//! `segment_rules` has a row for each segment as it is written. `segment_matches` reads `segment_facts`, what is
//! known of each customer at each day looked at, and has a row wherever a rule holds or nobody can say. A rule may
//! name a column of another model too (`customer_value.p_alive`): see [`others`].
//! Everything else about segments is plain SQL over these two.
//!
//! **Invariant:** a rule is put into SQL only after it was read alone as one expression, so it cannot
//! reach beyond its brackets; what is wrong with it is shown in the YAML file.

use std::collections::{BTreeMap, BTreeSet};

use self::others::{Others, Reading};
use super::contract::{Column, ColumnType, Contract, Nullability, Privacy};
use super::load::place;
use super::model::Folder;
use super::pipeline::named;
use super::{Located, Materialization, Model, Visibility};
use crate::diagnostic::{Diagnostic, Diagnostics, Origin, Place, SourceFile, code};
use crate::ident::NodeName;
use crate::query::{self, Query};
use crate::spec::{Document, ModelsSpec, SegmentSpec, Spec};

mod others;

/// The model that rules look at.
const FACTS: &str = "segment_facts";
/// The model of the segments as written.
const RULES: &str = "segment_rules";
/// The model of who is in which segment.
pub const MATCHES: &str = "segment_matches";

/// The columns that identify a row of [`FACTS`].
const KEYS: [&str; 2] = ["snapshot_date", "customer_id"];

/// One segment, its rule read as one expression.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its name.
    pub name: Located<NodeName>,
    /// Its rule as written.
    pub rule: Located<String>,
    /// A query over the facts that selects nothing but the rule.
    pub check: Query,
    spec: SegmentSpec,
    letters: Vec<usize>,
    others: Others,
}

/// Reads the segments of all folders and adds the models made of them.
pub(super) fn add(
    folders: &[Folder],
    models: &mut BTreeMap<NodeName, Model>,
    found: &mut Diagnostics,
) -> Vec<Segment> {
    let lists: Vec<&Spec<ModelsSpec>> = folders
        .iter()
        .flat_map(|folder| &folder.specs)
        .filter(|spec| spec.value.segments.is_some())
        .collect();
    let Some(first) = lists.first() else { return Vec::new() };
    let segments = read(&lists, folders, models, found);
    // A model that could not be read is there, but nobody knows its columns.
    if folders.iter().any(|folder| folder.files.contains_key(FACTS)) && !models.contains_key(FACTS) {
        return segments;
    }
    let of = first.document.key_place("/segments");
    if let Some(facts) = found.keep(facts(models, &of)) {
        let folder = folders.iter().find(|folder| folder.specs.iter().any(|spec| std::ptr::eq(spec, *first)));
        let makes = Makes { of, folder: folder.map_or("", |folder| &folder.name), segments: &segments };
        for made in [makes.rules(), makes.matches(facts)] {
            if let Some(model) = found.keep(made) {
                insert(models, model, found);
            }
        }
    }
    segments
}

fn insert(models: &mut BTreeMap<NodeName, Model>, model: Model, found: &mut Diagnostics) {
    if let Some(written) = models.get(&model.name) {
        let message = format!("model `{}` is made of `segments:` and cannot be written", model.name);
        let place = written.query.file.place(0..0);
        found.push(
            Diagnostic::error(code::DUPLICATE_NAME, message).at(place).help("give the file another name"),
        );
        return;
    }
    models.insert(model.name.clone(), model);
}

fn read(
    lists: &[&Spec<ModelsSpec>],
    folders: &[Folder],
    models: &BTreeMap<NodeName, Model>,
    found: &mut Diagnostics,
) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut known: BTreeMap<String, Place> = BTreeMap::new();
    for list in lists {
        for (at, spec) in list.value.segments.iter().flatten().enumerate() {
            let pointer = format!("/segments/{at}");
            let place = place(&list.document, &format!("{pointer}/name"));
            if let Some(first) = known.get(&spec.name) {
                let message = format!("segment `{}` is there twice", spec.name);
                let twice = Diagnostic::error(code::DUPLICATE_NAME, message).at(place);
                found.push(twice.help(format!("the other one is at {first}")));
                continue;
            }
            known.insert(spec.name.clone(), place);
            segments.extend(found.keep(segment(&list.document, &pointer, spec, (folders, models))));
        }
    }
    segments
}

fn segment(
    document: &Document,
    pointer: &str,
    spec: &SegmentSpec,
    (folders, models): (&[Folder], &BTreeMap<NodeName, Model>),
) -> Result<Segment, Diagnostics> {
    let mut found = Diagnostics::default();
    let name_place = place(document, &format!("{pointer}/name"));
    let name = found.keep(named(NodeName::parse(&spec.name), name_place.clone()));
    let rule_pointer = format!("{pointer}/where");
    let rule = Located { value: spec.rule.clone(), place: place(document, &rule_pointer) };
    let letters = document.letters(&rule_pointer).unwrap_or_default();
    let mut alone = Text::default();
    alone.rule(&rule, &letters);
    let columns = query::read_condition(&alone.made(&rule.place));
    let written = |name: &str| folders.iter().any(|folder| folder.files.contains_key(name));
    let others = columns.and_then(|columns| Others::read(&columns, models, written));
    let (Some(name), Some(others)) = (name, found.keep(others)) else { return Err(found) };
    let mut check = Text::default();
    check.push("select\n(");
    check.rule(&rule, &letters);
    check.push(&format!("\n) as is_member\n{}", others.from()));
    Ok(Segment {
        name: Located { value: name, place: name_place },
        check: query::parse(&check.made(&rule.place))?,
        rule,
        spec: spec.clone(),
        letters,
        others,
    })
}

/// The model that rules look at, if its rows are what they must be.
fn facts<'a>(models: &'a BTreeMap<NodeName, Model>, of: &Place) -> Result<&'a Model, Diagnostics> {
    let Some(facts) = models.get(FACTS) else {
        let message = format!("there is no model `{FACTS}` that the rules of these segments could look at");
        let missing = Diagnostic::error(code::NO_SEGMENT_FACTS, message).at(of.clone());
        let help = "write it, one row per customer and day looked at, or add its folder to `models:`";
        return Err(missing.help(help).into());
    };
    let grain: BTreeSet<&str> = facts.contract.grain.iter().map(String::as_str).collect();
    if grain != BTreeSet::from(KEYS) {
        let message = format!("the grain of `{FACTS}` is not [{}]", KEYS.join(", "));
        let wrong = Diagnostic::error(code::NO_SEGMENT_FACTS, message).at(facts.place.clone());
        return Err(wrong.help("a rule is asked of each customer at each day looked at").into());
    }
    Ok(facts)
}

/// What the two models are made of.
struct Makes<'a> {
    of: Place,
    folder: &'a str,
    segments: &'a [Segment],
}

impl Makes<'_> {
    fn rules(&self) -> Result<Model, Diagnostics> {
        let mut text = Text::default();
        text.push("-- The segments as written.\n");
        let columns = "segment, description, kind, rule, priority, owner";
        let nobody = "(cast(null as varchar), null, null, null, cast(null as bigint), cast(null as varchar))";
        text.push(&format!("select {columns}\nfrom (values\n    {nobody}"));
        for segment in self.segments {
            text.push(&format!(",\n    {}", values(segment)));
        }
        text.push(&format!("\n) as written ({columns})\nwhere segment is not null"));
        let columns = [
            column("segment", ColumnType::Varchar, "Name of the segment."),
            column("description", ColumnType::Varchar, "Who is in it."),
            column("kind", ColumnType::Varchar, "What it is made from."),
            column("rule", ColumnType::Varchar, "The rule as written."),
            column("priority", ColumnType::Bigint, "Which segment counts first: 1 before 2."),
            column("owner", ColumnType::Varchar, "Who answers for it."),
        ];
        self.model(RULES, &text, ("One row per segment as written.", columns.to_vec()), &["segment"])
    }

    fn matches(&self, facts: &Model) -> Result<Model, Diagnostics> {
        let key = |name: &str| facts.contract.column(name).cloned();
        let mut columns: Vec<Column> = KEYS.into_iter().filter_map(key).collect();
        columns.push(column("segment", ColumnType::Varchar, "Name of the segment."));
        let is_member = "True where the rule holds; null where it looks at something unknown.";
        columns.push(column("is_member", ColumnType::Boolean, is_member));
        let described =
            ("One row per customer, day looked at and segment whose rule holds or cannot be told.", columns);
        self.model(MATCHES, &self.matches_text(), described, &["snapshot_date", "customer_id", "segment"])
    }

    /// Every rule is asked once of every row; a rule that does not hold leaves none.
    fn matches_text(&self) -> Text {
        let mut text = Text::default();
        text.push("-- Where a segment's rule holds, or nobody can say.\n");
        if self.segments.is_empty() {
            text.push("select snapshot_date, customer_id, cast(null as varchar) as segment, ");
            text.push(&format!("cast(null as boolean) as is_member\nfrom {FACTS}\nwhere false"));
            return text;
        }
        text.push("select snapshot_date, customer_id, segment, is_member\nfrom (\n    select\n");
        text.push("        snapshot_date,\n        customer_id,\n        unnest(make_array(");
        let names: Vec<String> =
            self.segments.iter().map(|segment| literal(segment.name.value.as_str())).collect();
        text.push(&names.join(", "));
        text.push(")) as segment,\n        unnest(make_array(");
        let mut all = Others::default();
        for (at, segment) in self.segments.iter().enumerate() {
            text.push(if at == 0 { "\n" } else { ",\n" });
            let of_last_day = segment.others.reading() == Reading::LastDay;
            text.push(if of_last_day { "(snapshot_date = $as_of_day and (" } else { "(" });
            text.rule(&segment.rule, &segment.letters);
            text.push(if of_last_day { "\n))" } else { "\n)" });
            all.extend(&segment.others);
        }
        text.push(&format!(
            "\n        )) as is_member\n    {}\n) as asked\nwhere is_member is distinct from false",
            all.from()
        ));
        text
    }

    fn model(
        &self,
        name: &str,
        text: &Text,
        (description, columns): (&str, Vec<Column>),
        grain: &[&str],
    ) -> Result<Model, Diagnostics> {
        let grain: Vec<String> = grain.iter().map(|name| (*name).to_owned()).collect();
        let columns = columns.into_iter().map(|column| Column {
            nullable: if grain.contains(&column.name) {
                Nullability::Required
            } else {
                Nullability::Nullable
            },
            ..column
        });
        let contract = Contract {
            description: description.to_owned(),
            columns: columns.collect(),
            order_by: grain.clone(),
            grain,
        };
        Ok(Model {
            name: named(NodeName::parse(name), self.of.clone())?,
            folder: self.folder.to_owned(),
            query: query::parse(&text.made(&self.of))?,
            column_places: Vec::new(),
            contract,
            place: self.of.clone(),
            materialization: Materialization::Table,
            keep_days: None,
            timing: None,
            incremental: None,
            visibility: Visibility::Internal,
            named: None,
            tags: Vec::new(),
            requires: Vec::new(),
            audits: Vec::new(),
            movement: None,
        })
    }
}

fn column(name: &str, data_type: ColumnType, description: &str) -> Column {
    Column {
        name: name.to_owned(),
        data_type,
        nullable: Nullability::Nullable,
        privacy: Privacy::Public,
        description: description.to_owned(),
    }
}

fn values(segment: &Segment) -> String {
    let spec = &segment.spec;
    let rule = spec.rule.trim();
    let texts = [spec.name.as_str(), spec.description.as_str(), spec.kind.as_str(), rule].map(literal);
    let priority = spec.priority.map_or_else(|| "null".to_owned(), |priority| priority.to_string());
    let owner = spec.owner.as_deref().map_or_else(|| "null".to_owned(), literal);
    format!("({}, {priority}, {owner})", texts.join(", "))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text that is being made, and what it is made of.
#[derive(Debug, Default)]
struct Text {
    text: String,
    origins: Vec<Origin>,
}

impl Text {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn rule(&mut self, rule: &Located<String>, letters: &[usize]) {
        let start = self.text.len();
        self.push(&rule.value);
        let (place, letters) = (rule.place.clone(), letters.to_vec());
        self.origins.push(Origin { span: start..self.text.len(), place, letters });
    }

    fn made(&self, of: &Place) -> SourceFile {
        SourceFile::made(of, &self.text, self.origins.clone())
    }
}
