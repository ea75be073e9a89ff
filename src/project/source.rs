//! Declared sources: where they lie, and what their contracts promise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::audit::{self, Bounded};
use super::contract::{Column, ColumnType, Contract, Nullability, Privacy};
use super::load::place;
use super::pipeline::named;
use super::{Located, files, quality};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, code, nearest};
use crate::ident::NodeName;
use crate::query::SOURCES_SCHEMA;
use crate::spec::{
    self, Document, DriftSpec, FreshnessSpec, ModelsSpec, PipelineSpec, SourceColumnSpec, SourceContractSpec,
    SourceSpec, SourceTest, Spec,
};
use crate::value::{Value, ValueType};

/// The variable that [`SourceCheck::Currency`] compares with.
pub const CURRENCY: &str = "currency";

/// A declared source.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name.
    pub name: NodeName,
    /// A folder, file or glob relative to the sources' location.
    pub path: Located<String>,
    /// The column rows are cut by at `as_of`.
    pub event_time: Option<Located<String>>,
    /// The column rows are cut by at `known_at`.
    pub ingested_at: Option<Located<String>>,
    /// Where it is declared.
    pub place: Place,
    /// Whether it must be there.
    pub presence: Presence,
    /// Whether it tells the past.
    pub history: History,
    /// What happens when files differ from the contract.
    pub drift: Drift,
    /// The largest share of rejected rows with which a run still publishes.
    pub max_rejected: MaxRejected,
    /// How old the newest row may be.
    pub freshness: Option<Freshness>,
    /// What it promises; without one it is read as it is.
    pub contract: Option<SourceContract>,
}

/// Whether a source must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Without it nothing runs.
    Compulsory,
    /// Without it, it is an empty table.
    Optional,
}

/// Whether a source tells how things were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Its facts bear their dates.
    Dated,
    /// It tells how things are today.
    Undated,
}

/// What happens when files have other columns or types than the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// Nothing is read.
    Fail,
    /// What can be read without loss is, and the difference is told.
    Warn,
    /// What can be read without loss is.
    Ignore,
}

/// A share of rows, exact as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxRejected {
    unscaled: u64,
    scale: u32,
}

/// How old the newest row of a source may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// Older is told.
    pub warn_after: Option<Age>,
    /// Older stops a run.
    pub error_after: Option<Age>,
}

/// A span of time as a person wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    /// In microseconds.
    pub micros: i64,
    /// As written.
    pub text: String,
}

/// What a source promises.
#[derive(Debug, Clone)]
pub struct SourceContract {
    /// Its columns and its key, as SQL reads them.
    pub table: Contract,
    /// Columns that files may lack.
    pub optional_columns: BTreeSet<String>,
    /// What its rows keep; those that do not are rejected. In the order they are judged.
    pub rules: Vec<SourceRule>,
    /// Amounts that accepted and rejected rows must add up to.
    pub totals: Vec<String>,
    /// The column whose relationship dates the rows.
    pub dated_by: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// One rule of a source's rows.
#[derive(Debug, Clone)]
pub struct SourceRule {
    /// What must hold.
    pub check: SourceCheck,
    /// Where it is declared; for rules that every contract has, the column or key.
    pub place: Place,
}

/// What must hold of a source's row.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceCheck {
    /// A column of the key has a value.
    MissingKey {
        /// The column.
        column: String,
    },
    /// A column has a value.
    NotNull {
        /// The column.
        column: String,
    },
    /// A number is neither NaN nor infinite.
    NotFinite {
        /// The column.
        column: String,
    },
    /// A day or an instant lies in the years 1970 to 2262.
    ImpossibleDate {
        /// The column.
        column: String,
    },
    /// A value is one of a list.
    AcceptedValues {
        /// The column.
        column: String,
        /// The list, as text.
        values: Vec<String>,
    },
    /// A value lies between bounds.
    Range {
        /// The column.
        column: String,
        /// The least value.
        min: Option<Value>,
        /// The greatest value.
        max: Option<Value>,
    },
    /// An amount is in the pipeline's currency.
    OtherCurrency {
        /// The column that names the currency.
        column: String,
    },
    /// No other accepted row has the key.
    DuplicateKey,
    /// The row it belongs to is an accepted row of another source.
    Orphan {
        /// The column that refers to it.
        column: String,
        /// The other source.
        to: NodeName,
        /// Its column.
        field: String,
    },
}

impl SourceCheck {
    /// The rule's name in tables and messages, such as `missing_key`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MissingKey { .. } => "missing_key",
            Self::NotNull { .. } => "not_null",
            Self::NotFinite { .. } => "not_finite",
            Self::ImpossibleDate { .. } => "impossible_date",
            Self::AcceptedValues { .. } => "accepted_values",
            Self::Range { .. } => "range",
            Self::OtherCurrency { .. } => "other_currency",
            Self::DuplicateKey => "duplicate_key",
            Self::Orphan { .. } => "orphan",
        }
    }

    /// The column it is about; none for the key as a whole.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::MissingKey { column }
            | Self::NotNull { column }
            | Self::NotFinite { column }
            | Self::ImpossibleDate { column }
            | Self::AcceptedValues { column, .. }
            | Self::Range { column, .. }
            | Self::OtherCurrency { column }
            | Self::Orphan { column, .. } => Some(column),
            Self::DuplicateKey => None,
        }
    }
}

impl MaxRejected {
    /// One row in a thousand.
    pub const USUAL: Self = Self { unscaled: 1, scale: 3 };

    /// Whether `rejected` of `rows` are more than the share; exact.
    #[must_use]
    pub fn is_exceeded(self, rejected: u64, rows: u64) -> bool {
        let factor = 10_u128.pow(self.scale);
        u128::from(rejected) * factor > u128::from(rows) * u128::from(self.unscaled)
    }

    fn parse(text: &str) -> Option<Self> {
        let Ok(Value::Decimal { unscaled, scale, .. }) = ValueType::Decimal.parse(text) else { return None };
        let (unscaled, scale) = (u64::try_from(unscaled).ok()?, u32::try_from(scale).ok()?);
        (scale <= 18 && u128::from(unscaled) <= 10_u128.pow(scale)).then_some(Self { unscaled, scale })
    }
}

impl std::fmt::Display for MaxRejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scale = usize::try_from(self.scale).unwrap_or(0);
        let digits = format!("{:0width$}", self.unscaled, width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if fraction.is_empty() { f.write_str(whole) } else { write!(f, "{whole}.{fraction}") }
    }
}

impl Source {
    /// The sources that its rows refer to.
    pub fn parents(&self) -> impl Iterator<Item = &NodeName> {
        let rules = self.contract.iter().flat_map(|contract| &contract.rules);
        rules.filter_map(|rule| match &rule.check {
            SourceCheck::Orphan { to, .. } => Some(to),
            _ => None,
        })
    }
}

/// The contract of a source where it was written.
#[derive(Clone, Copy)]
struct Entry<'a> {
    document: &'a Document,
    at: usize,
    spec: &'a SourceContractSpec,
}

/// Every contract of sources that was read: those of the folders under `models:`, and of files
/// that sources name.
pub(super) struct Written<'a> {
    folders: Vec<&'a Spec<ModelsSpec>>,
    named: BTreeMap<String, Spec<ModelsSpec>>,
}

impl<'a> Written<'a> {
    /// Reads the files that `contract:` names and that no folder has.
    pub(super) fn read(
        folder: &Path,
        pipeline: &Spec<PipelineSpec>,
        folders: Vec<&'a Spec<ModelsSpec>>,
        found: &mut Diagnostics,
    ) -> Self {
        let mut named = BTreeMap::new();
        for (name, source) in &pipeline.value.sources.tables {
            let Some(path) = &source.contract else { continue };
            let known = folders.iter().any(|spec| spec.document.file().path() == path);
            if known || named.contains_key(path) {
                continue;
            }
            let place = pipeline.document.place(&format!("/sources/tables/{name}/contract"));
            let read = files::inside(path, &place)
                .and_then(|_| files::read(folder, path).map_err(|missing| missing.at(place)))
                .map_err(Diagnostics::from)
                .and_then(|file| spec::read::<ModelsSpec>(&file));
            if let Some(spec) = found.keep(read) {
                named.insert(path.clone(), spec);
            }
        }
        Self { folders, named }
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let specs = self.folders.iter().copied().chain(self.named.values());
        specs.flat_map(|spec| {
            let entry = |(at, entry)| Entry { document: &spec.document, at, spec: entry };
            spec.value.sources.iter().enumerate().map(entry)
        })
    }

    /// The contract of `name`: in `file` if one is named, else wherever it stands.
    fn contract(&self, name: &str, file: Option<&str>, found: &mut Diagnostics) -> Option<Entry<'_>> {
        let here = |entry: &Entry<'_>| file.is_none_or(|file| entry.document.file().path() == file);
        let mut entries = self.entries().filter(|entry| entry.spec.name == name && here(entry));
        let first = entries.next()?;
        if let Some(second) = entries.next() {
            let message = format!("source `{name}` is described twice");
            let place = place(second.document, &format!("/sources/{}/name", second.at));
            let twice = Diagnostic::error(code::DUPLICATE_NAME, message).at(place);
            found.push(twice.help(format!("the other one is in `{}`", first.document.file().path())));
        }
        Some(first)
    }
}

/// Pairs every source of the pipeline with its contract and checks both.
pub(super) fn check(
    pipeline: &Spec<PipelineSpec>,
    written: &Written<'_>,
    found: &mut Diagnostics,
) -> BTreeMap<NodeName, Source> {
    let mut sources = BTreeMap::new();
    for (name, spec) in &pipeline.value.sources.tables {
        if let Some(source) = source(pipeline, name, spec, written, found) {
            sources.insert(source.name.clone(), source);
        }
    }
    refuse_reserved(&sources, found);
    if !found.has_errors() {
        check_relationships(&sources, found);
    }
    sources
}

/// What the program tells of sources with contracts has names of its own.
fn refuse_reserved(sources: &BTreeMap<NodeName, Source>, found: &mut Diagnostics) {
    if sources.values().all(|source| source.contract.is_none()) {
        return;
    }
    for source in sources.values().filter(|source| quality::relation(source.name.as_str()).is_some()) {
        let message = format!("`sources.{}` is what the program tells of the sources", source.name);
        let taken = Diagnostic::error(code::DUPLICATE_NAME, message).at(source.place.clone());
        found.push(taken.help("give the source another name"));
    }
}

fn source(
    pipeline: &Spec<PipelineSpec>,
    name: &str,
    spec: &SourceSpec,
    written: &Written<'_>,
    found: &mut Diagnostics,
) -> Option<Source> {
    let document = &pipeline.document;
    let pointer = format!("/sources/tables/{name}");
    let key = document.key_place(&pointer);
    let parsed = found.keep(named(NodeName::parse(name), key.clone()))?;
    let path_place = document.place(&format!("{pointer}/path"));
    if let Err(outside) = files::inside(&spec.path, &path_place) {
        found.push(outside);
        return None;
    }
    let entry = written.contract(name, spec.contract.as_deref(), found);
    if let (None, Some(file)) = (entry, &spec.contract) {
        let message = format!("`{file}` has no contract of source `{name}`");
        let missing = Diagnostic::error(code::MISSING_KEY, message);
        found.push(
            missing.at(document.place(&format!("{pointer}/contract"))).help("write one under `sources:`"),
        );
        return None;
    }
    let wins = Wins { document, pointer: &pointer, entry };
    wins.refuse_without_contract(name, spec, found);
    let event_time = wins.column("event_time", &spec.event_time, |spec| &spec.event_time);
    let ingested_at = wins.column("ingested_at", &spec.ingested_at, |spec| &spec.ingested_at);
    let times = [event_time.as_ref(), ingested_at.as_ref()];
    let has_currency =
        pipeline.value.vars.get(CURRENCY).is_some_and(|var| var.value_type == ValueType::String);
    let contract = entry.and_then(|entry| {
        let context = Context { entry, times, has_currency, pipeline: pipeline.document.file().path() };
        context.contract(found)
    });
    Some(Source {
        name: parsed,
        path: Located { value: spec.path.clone(), place: path_place },
        place: key,
        presence: match wins.flag(spec.optional, |spec| spec.optional) {
            true => Presence::Optional,
            false => Presence::Compulsory,
        },
        history: match wins.flag(spec.undated, |spec| spec.undated) {
            true => History::Undated,
            false => History::Dated,
        },
        drift: wins.drift(spec),
        max_rejected: wins.max_rejected(spec, found),
        freshness: wins.freshness(spec, (&event_time, &ingested_at), found),
        event_time,
        ingested_at,
        contract,
    })
}

/// What the pipeline's file says of a source wins over what its contract says.
#[derive(Clone, Copy)]
struct Wins<'a> {
    document: &'a Document,
    pointer: &'a str,
    entry: Option<Entry<'a>>,
}

impl<'a> Wins<'a> {
    fn of_contract(self, key: &str) -> Option<(&'a Document, String)> {
        self.entry.map(|entry| (entry.document, format!("/sources/{}/{key}", entry.at)))
    }

    fn column(
        self,
        key: &str,
        here: &Option<String>,
        there: impl Fn(&SourceContractSpec) -> &Option<String>,
    ) -> Option<Located<String>> {
        if let Some(value) = here {
            let place = self.document.place(&format!("{}/{key}", self.pointer));
            return Some(Located { value: value.clone(), place });
        }
        let value = there(self.entry?.spec).clone()?;
        let (document, pointer) = self.of_contract(key)?;
        Some(Located { value, place: document.place(&pointer) })
    }

    fn flag(self, here: Option<bool>, there: impl Fn(&SourceContractSpec) -> Option<bool>) -> bool {
        here.or_else(|| there(self.entry?.spec)).unwrap_or(false)
    }

    fn drift(self, spec: &SourceSpec) -> Drift {
        match spec.drift.or_else(|| self.entry?.spec.drift) {
            Some(DriftSpec::Fail) => Drift::Fail,
            Some(DriftSpec::Ignore) => Drift::Ignore,
            Some(DriftSpec::Warn) | None => Drift::Warn,
        }
    }

    fn max_rejected(self, spec: &SourceSpec, found: &mut Diagnostics) -> MaxRejected {
        let here =
            spec.max_rejected.as_ref().map(|_| (self.document, format!("{}/max_rejected", self.pointer)));
        let there = || self.entry?.spec.max_rejected.as_ref().and_then(|_| self.of_contract("max_rejected"));
        let Some((document, pointer)) = here.or_else(there) else { return MaxRejected::USUAL };
        document
            .text(&pointer)
            .and_then(|text| MaxRejected::parse(text.trim_matches(['"', '\''])))
            .unwrap_or_else(|| {
                let wrong = Diagnostic::error(
                    code::WRONG_VALUE,
                    "`max_rejected` is a share from 0 to 1, such as 0.001",
                );
                found.push(wrong.at(document.place(&pointer)));
                MaxRejected::USUAL
            })
    }

    fn freshness(
        self,
        spec: &SourceSpec,
        (event_time, ingested_at): (&Option<Located<String>>, &Option<Located<String>>),
        found: &mut Diagnostics,
    ) -> Option<Freshness> {
        let (document, pointer, written) = match (&spec.freshness, self.entry) {
            (Some(written), _) => (self.document, format!("{}/freshness", self.pointer), written),
            (None, Some(entry)) => {
                let (document, pointer) = self.of_contract("freshness")?;
                (document, pointer, entry.spec.freshness.as_ref()?)
            }
            (None, None) => return None,
        };
        if event_time.is_none() && ingested_at.is_none() {
            let message = "`freshness` needs `event_time` or `ingested_at`: without them no row has an age";
            found.push(
                Diagnostic::error(code::MISSING_KEY, message).at(first_line(&document.place(&pointer))),
            );
        }
        freshness(document, &pointer, written, found)
    }

    /// What only a contract gives a meaning.
    fn refuse_without_contract(self, name: &str, spec: &SourceSpec, found: &mut Diagnostics) {
        if self.entry.is_some() {
            return;
        }
        let given = [
            ("optional", spec.optional == Some(true)),
            ("drift", spec.drift.is_some()),
            ("max_rejected", spec.max_rejected.is_some()),
        ];
        for (key, _) in given.into_iter().filter(|(_, given)| *given) {
            let message = format!("`{key}` needs a contract, and source `{name}` has none");
            let place = self.document.place(&format!("{}/{key}", self.pointer));
            let help =
                format!("describe `{name}` under `sources:` in a YAML file beside the SQL that reads it");
            found.push(Diagnostic::error(code::MISSING_KEY, message).at(place).help(help));
        }
    }
}

fn freshness(
    document: &Document,
    pointer: &str,
    spec: &FreshnessSpec,
    found: &mut Diagnostics,
) -> Option<Freshness> {
    let mut age = |key: &str, text: &Option<String>| {
        let text = text.as_ref()?;
        let age = parse_age(text);
        if age.is_none() {
            let message = format!("`{text}` is no age: write 45m, 26h or 2d");
            let place = document.place(&format!("{pointer}/{key}"));
            found.push(Diagnostic::error(code::WRONG_VALUE, message).at(place));
        }
        age
    };
    let freshness = Freshness {
        warn_after: age("warn_after", &spec.warn_after),
        error_after: age("error_after", &spec.error_after),
    };
    if let (Some(warn), Some(error)) = (&freshness.warn_after, &freshness.error_after)
        && warn.micros > error.micros
    {
        let message = format!("`warn_after` ({}) is later than `error_after` ({})", warn.text, error.text);
        let place = document.place(&format!("{pointer}/warn_after"));
        found.push(Diagnostic::error(code::WRONG_VALUE, message).at(place));
    }
    if spec.warn_after.is_none() && spec.error_after.is_none() {
        let message = "`freshness` needs `warn_after`, `error_after` or both";
        found.push(Diagnostic::error(code::MISSING_KEY, message).at(document.place(pointer)));
    }
    Some(freshness)
}

fn parse_age(text: &str) -> Option<Age> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(split);
    let seconds: i64 = match unit.trim() {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let micros = digits.parse::<i64>().ok()?.checked_mul(seconds)?.checked_mul(1_000_000)?;
    (micros > 0).then(|| Age { micros, text: text.to_owned() })
}

/// A contract being checked.
struct Context<'a> {
    entry: Entry<'a>,
    times: [Option<&'a Located<String>>; 2],
    has_currency: bool,
    pipeline: &'a str,
}

impl Context<'_> {
    fn place(&self, key: &str) -> Place {
        place(self.entry.document, &format!("/sources/{}/{key}", self.entry.at))
    }

    fn contract(&self, found: &mut Diagnostics) -> Option<SourceContract> {
        let spec = self.entry.spec;
        let columns = self.columns(found)?;
        self.known(&spec.grain, "grain", found);
        self.known(&spec.totals, "totals", found);
        self.times(&columns, found);
        let numeric = |name: &str| {
            columns.iter().find(|column| column.name == name).is_none_or(|column| is_exact(column.data_type))
        };
        for (at, name) in spec.totals.iter().enumerate().filter(|(_, name)| !numeric(name)) {
            let message = format!("`{name}` is no exact number: totals are sums of integers or decimals");
            found.push(Diagnostic::error(code::BAD_AUDIT, message).at(self.place(&format!("totals/{at}"))));
        }
        let rules = self.rules(&columns, found);
        let parents = |rule: &SourceRule| matches!(&rule.check, SourceCheck::Orphan { column, .. } if Some(column) == spec.dated_by.as_ref());
        if let Some(column) = spec.dated_by.as_ref().filter(|_| !rules.iter().any(parents)) {
            let message = format!("`dated_by` names `{column}`, which has no relationship");
            found.push(Diagnostic::error(code::BAD_AUDIT, message).at(self.place("dated_by")));
        }
        let optional = spec.columns.iter().filter(|column| column.optional).map(|column| column.name.clone());
        Some(SourceContract {
            table: Contract {
                description: spec.description.clone(),
                columns,
                grain: spec.grain.clone(),
                order_by: spec.grain.clone(),
            },
            optional_columns: optional.collect(),
            rules,
            totals: spec.totals.clone(),
            dated_by: spec.dated_by.clone(),
            place: self.place("name"),
        })
    }

    fn columns(&self, found: &mut Diagnostics) -> Option<Vec<Column>> {
        let spec = self.entry.spec;
        let mut columns: Vec<Column> = Vec::new();
        for (at, written) in spec.columns.iter().enumerate() {
            if columns.iter().any(|column| column.name == written.name) {
                let message = format!("column `{}` stands twice in the contract", written.name);
                let twice = Diagnostic::error(code::DUPLICATE_NAME, message);
                found.push(twice.at(self.place(&format!("columns/{at}/name"))));
            }
            let data_type = ColumnType::parse(&written.data_type).map_err(|cause| {
                let place = self.place(&format!("columns/{at}/data_type"));
                Diagnostics::from(Diagnostic::error(code::UNKNOWN_TYPE, cause.to_string()).at(place))
            });
            let Some(data_type) = found.keep(data_type) else { continue };
            columns.push(Column {
                name: written.name.clone(),
                data_type,
                nullable: if self.is_nullable(written) {
                    Nullability::Nullable
                } else {
                    Nullability::Required
                },
                privacy: if written.pii { Privacy::Personal } else { Privacy::Public },
                description: written.description.clone(),
            });
        }
        (columns.len() == spec.columns.len()).then_some(columns)
    }

    /// Keys and times must be there, whatever else is said.
    fn is_nullable(&self, column: &SourceColumnSpec) -> bool {
        let name = column.name.as_str();
        let needed = self.entry.spec.grain.iter().any(|key| key == name)
            || self.times.iter().flatten().any(|time| time.value == name);
        !needed
            && column.nullable.unwrap_or(true)
            && !column.data_tests.iter().any(|test| matches!(test, SourceTest::NotNull))
    }

    fn known(&self, list: &[String], key: &str, found: &mut Diagnostics) {
        for (at, name) in list.iter().enumerate() {
            if !self.entry.spec.columns.iter().any(|column| column.name == *name) {
                found.push(self.unknown_column(key, name).at(self.place(&format!("{key}/{at}"))));
            }
        }
    }

    fn unknown_column(&self, key: &str, name: &str) -> Diagnostic {
        let message = format!("`{key}` names `{name}`, which is no column of the contract");
        let found = Diagnostic::error(code::UNKNOWN_COLUMN, message);
        match nearest(name, self.entry.spec.columns.iter().map(|column| column.name.as_str())) {
            Some(near) => found.label(format!("did you mean `{near}`?")),
            None => found,
        }
    }

    /// Rows are cut by instants and days.
    fn times(&self, columns: &[Column], found: &mut Diagnostics) {
        for (key, time) in ["event_time", "ingested_at"].into_iter().zip(self.times) {
            let Some(Located { value: name, place }) = time else { continue };
            match columns.iter().find(|column| column.name == *name) {
                None => found.push(self.unknown_column(key, name).at(place.clone())),
                Some(column) if !matches!(column.data_type, ColumnType::Date | ColumnType::Timestamp) => {
                    let message =
                        format!("`{key}` names `{name}`, which is {} and no time", column.data_type);
                    found.push(Diagnostic::error(code::UNKNOWN_COLUMN, message).at(place.clone()));
                }
                Some(_) => {}
            }
        }
    }

    /// The rules in the order they are judged: what one row shows, then keys, then other sources.
    fn rules(&self, columns: &[Column], found: &mut Diagnostics) -> Vec<SourceRule> {
        let spec = self.entry.spec;
        let mut rules = Vec::new();
        let mut orphans = Vec::new();
        for (at, written) in spec.columns.iter().enumerate() {
            let Some(column) = columns.iter().find(|column| column.name == written.name) else { continue };
            let own = self.place(&format!("columns/{at}/name"));
            rules.extend(
                implied(column, &spec.grain, written).map(|check| SourceRule { check, place: own.clone() }),
            );
            for (test_at, test) in written.data_tests.iter().enumerate() {
                let pointer = format!("columns/{at}/data_tests/{test_at}");
                let Some(check) = self.check(&pointer, written, test, found) else { continue };
                let rule = SourceRule { check, place: self.place(&pointer) };
                if matches!(rule.check, SourceCheck::Orphan { .. }) {
                    orphans.push(rule)
                } else {
                    rules.push(rule)
                }
            }
        }
        if !spec.grain.is_empty() {
            rules.push(SourceRule { check: SourceCheck::DuplicateKey, place: self.place("grain") });
        }
        rules.extend(orphans);
        rules
    }

    fn check(
        &self,
        pointer: &str,
        column: &SourceColumnSpec,
        test: &SourceTest,
        found: &mut Diagnostics,
    ) -> Option<SourceCheck> {
        let name = column.name.clone();
        let document = self.entry.document;
        let full = format!("/sources/{}/{pointer}", self.entry.at);
        match test {
            // Implied by what may not be null.
            SourceTest::NotNull => None,
            SourceTest::AcceptedValues(values) => {
                let values = audit::listed(document, &full, values);
                Some(SourceCheck::AcceptedValues { column: name, values })
            }
            SourceTest::Range(range) => {
                let bounded = Bounded { name: &column.name, data_type: &column.data_type };
                let (min, max) = found.keep(audit::bounds(document, &full, bounded, range))?;
                Some(SourceCheck::Range { column: name, min, max })
            }
            SourceTest::Currency if !self.has_currency => {
                let message =
                    format!("`currency` compares with a variable `{CURRENCY}` that is not declared");
                let missing = Diagnostic::error(code::UNKNOWN_VARIABLE, message).at(self.place(pointer));
                let help = format!(
                    "declare it under `vars:` of {}: `currency: {{type: string, default: EUR}}`",
                    self.pipeline
                );
                found.push(missing.help(help));
                None
            }
            SourceTest::Currency => Some(SourceCheck::OtherCurrency { column: name }),
            SourceTest::Relationships(to) => {
                let bare = to.to.strip_prefix(SOURCES_SCHEMA).and_then(|rest| rest.strip_prefix('.'));
                let parsed = named(NodeName::parse(bare.unwrap_or(&to.to)), self.place(pointer));
                let to_source = found.keep(parsed)?;
                Some(SourceCheck::Orphan { column: name, to: to_source, field: to.field.clone() })
            }
        }
    }
}

/// What holds of a column without anybody saying so.
fn implied<'a>(
    column: &'a Column,
    grain: &'a [String],
    written: &SourceColumnSpec,
) -> impl Iterator<Item = SourceCheck> + use<'a> {
    let name = &column.name;
    let bounded = written.data_tests.iter().any(|test| matches!(test, SourceTest::Range(_)));
    let present = match (grain.contains(name), column.nullable) {
        (true, _) => Some(SourceCheck::MissingKey { column: name.clone() }),
        (false, Nullability::Required) => Some(SourceCheck::NotNull { column: name.clone() }),
        (false, Nullability::Nullable) => None,
    };
    let sane = match column.data_type {
        ColumnType::Double => Some(SourceCheck::NotFinite { column: name.clone() }),
        ColumnType::Date | ColumnType::Timestamp if !bounded => {
            Some(SourceCheck::ImpossibleDate { column: name.clone() })
        }
        _ => None,
    };
    present.into_iter().chain(sane)
}

const fn is_exact(data_type: ColumnType) -> bool {
    matches!(
        data_type,
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint | ColumnType::Decimal { .. }
    )
}

/// A row can only belong to a row of a source that has a contract, by a column of the same type.
fn check_relationships(sources: &BTreeMap<NodeName, Source>, found: &mut Diagnostics) {
    for source in sources.values() {
        let rules = source.contract.iter().flat_map(|contract| &contract.rules);
        for rule in rules {
            if let Some(wrong) = wrong_relationship(sources, source, rule) {
                found.push(wrong);
            }
        }
    }
    if !found.has_errors() {
        refuse_circles(sources, found);
    }
}

fn wrong_relationship(
    sources: &BTreeMap<NodeName, Source>,
    source: &Source,
    rule: &SourceRule,
) -> Option<Diagnostic> {
    let SourceCheck::Orphan { column, to, field } = &rule.check else { return None };
    let wrong = |code, message: String| Some(Diagnostic::error(code, message).at(rule.place.clone()));
    let Some(parent) = sources.get(to) else {
        let unknown = wrong(code::UNKNOWN_TABLE, format!("there is no source `{to}`"))?;
        return Some(match nearest(to.as_str(), sources.keys().map(NodeName::as_str)) {
            Some(near) => unknown.label(format!("did you mean `{near}`?")),
            None => unknown,
        });
    };
    if parent.name == source.name {
        return wrong(code::CYCLE, format!("source `{to}` cannot be checked against itself"));
    }
    let Some(promised) = &parent.contract else {
        return wrong(
            code::BAD_AUDIT,
            format!("source `{to}` has no contract, so nobody knows its accepted rows"),
        );
    };
    let Some(theirs) = promised.table.column(field) else {
        return wrong(code::UNKNOWN_COLUMN, format!("source `{to}` has no column `{field}`"));
    };
    let contract = source.contract.as_ref()?;
    let ours = contract.table.column(column)?;
    if ours.data_type != theirs.data_type {
        let (ours, theirs) = (ours.data_type, theirs.data_type);
        return wrong(code::BAD_AUDIT, format!("`{column}` is {ours} and `{to}.{field}` is {theirs}"));
    }
    let dates = contract.dated_by.as_ref() == Some(column);
    if dates && parent.event_time.is_none() && parent.ingested_at.is_none() {
        let message =
            format!("`dated_by` names `{column}`, but source `{to}` has no `event_time` of its own");
        return wrong(code::BAD_AUDIT, message);
    }
    None
}

fn refuse_circles(sources: &BTreeMap<NodeName, Source>, found: &mut Diagnostics) {
    let mut judged: BTreeSet<&NodeName> = BTreeSet::new();
    loop {
        let ready = |source: &&Source| {
            !judged.contains(&source.name) && source.parents().all(|parent| judged.contains(parent))
        };
        let next: Vec<&NodeName> = sources.values().filter(ready).map(|source| &source.name).collect();
        if next.is_empty() {
            break;
        }
        judged.extend(next);
    }
    let left: Vec<&Source> = sources.values().filter(|source| !judged.contains(&source.name)).collect();
    if let Some(first) = left.first() {
        let names: Vec<String> = left.iter().map(|source| format!("`{}`", source.name)).collect();
        let message = format!("relationships of sources go round in a circle: {}", names.join(", "));
        let place =
            first.contract.as_ref().map_or_else(|| first.place.clone(), |contract| contract.place.clone());
        found.push(Diagnostic::error(code::CYCLE, message).at(place).help("take one of them out"));
    }
}

/// A long block is marked by its first line only.
fn first_line(place: &Place) -> Place {
    let start = place.span().start;
    let length = place.text().find('\n').unwrap_or(place.text().len());
    place.file().place(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::{MaxRejected, parse_age};

    #[test]
    fn a_share_is_exact_at_its_edge() {
        let share = |text: &str| MaxRejected::parse(text).expect("a share");
        assert!(!share("0.001").is_exceeded(1, 1_000));
        assert!(share("0.001").is_exceeded(2, 1_999));
        assert!(share("0").is_exceeded(1, u64::MAX));
        assert!(!share("1").is_exceeded(7, 7));
        for text in ["-0.1", "1.1", "much", ""] {
            assert_eq!(MaxRejected::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_share_is_shown_as_it_was_written() {
        for text in ["0.001", "0.05", "1", "0"] {
            assert_eq!(MaxRejected::parse(text).map(|share| share.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn ages_are_minutes_hours_or_days() {
        let hours = |text: &str| parse_age(text).map(|age| age.micros / 3_600_000_000);
        assert_eq!((hours("26h"), hours("2d"), hours("120m")), (Some(26), Some(48), Some(2)));
        for text in ["", "h", "26", "-1h", "0h", "1w", "1.5h", "99999999999999d"] {
            assert_eq!(parse_age(text), None, "{text}");
        }
    }
}
