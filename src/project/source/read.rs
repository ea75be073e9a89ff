//! From sources as a pipeline and contracts as their files write them to checked ones.

use std::collections::BTreeMap;
use std::path::Path;

use super::promise::Context;
use super::relationships::check_relationships;
use super::{Age, CURRENCY, Drift, Freshness, History, MaxRejected, Presence, Source};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, SourceFile, code};
use crate::ident::NodeName;
use crate::project::load::place;
use crate::project::pipeline::named;
use crate::project::{Located, files, quality};
use crate::spec::{
    self, Document, DriftSpec, FreshnessSpec, ModelsSpec, PipelineSpec, SourceContractSpec, SourceSpec, Spec,
};
use crate::value::ValueType;

/// The contract of a source where it was written.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) document: &'a Document,
    pub(super) at: usize,
    pub(super) spec: &'a SourceContractSpec,
}

/// Every contract of sources that was read: those of the folders under `models:`, and of files
/// that sources name.
pub(in crate::project) struct Written<'a> {
    folders: Vec<&'a Spec<ModelsSpec>>,
    named: BTreeMap<String, Spec<ModelsSpec>>,
}

impl<'a> Written<'a> {
    /// Reads the files that `contract:` names and that no folder has.
    pub(in crate::project) fn read(
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

    /// The files that only `contract:` names.
    pub(in crate::project) fn named_files(&self) -> impl Iterator<Item = &SourceFile> {
        self.named.values().map(|spec| spec.document.file())
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
pub(in crate::project) fn check(
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
    let event_time = wins.column("event_time", spec.event_time.as_ref(), |spec| spec.event_time.as_ref());
    let ingested_at = wins.column("ingested_at", spec.ingested_at.as_ref(), |spec| spec.ingested_at.as_ref());
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
        presence: wins.presence(spec),
        history: wins.history(spec),
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
        here: Option<&String>,
        there: impl Fn(&SourceContractSpec) -> Option<&String>,
    ) -> Option<Located<String>> {
        if let Some(value) = here {
            let place = self.document.place(&format!("{}/{key}", self.pointer));
            return Some(Located { value: value.clone(), place });
        }
        let value = there(self.entry?.spec)?.clone();
        let (document, pointer) = self.of_contract(key)?;
        Some(Located { value, place: document.place(&pointer) })
    }

    fn presence(self, spec: &SourceSpec) -> Presence {
        match spec.optional.or_else(|| self.entry?.spec.optional) {
            Some(true) => Presence::Optional,
            Some(false) | None => Presence::Compulsory,
        }
    }

    fn history(self, spec: &SourceSpec) -> History {
        match spec.undated.or_else(|| self.entry?.spec.undated) {
            Some(true) => History::Undated,
            Some(false) | None => History::Dated,
        }
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
        Some(freshness(document, &pointer, written, found))
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

fn freshness(document: &Document, pointer: &str, spec: &FreshnessSpec, found: &mut Diagnostics) -> Freshness {
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
    freshness
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

/// A long block is marked by its first line only.
fn first_line(place: &Place) -> Place {
    let start = place.span().start;
    let length = place.text().find('\n').unwrap_or(place.text().len());
    place.file().place(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::parse_age;

    #[test]
    fn ages_are_minutes_hours_or_days() {
        let hours = |text: &str| parse_age(text).map(|age| age.micros / 3_600_000_000);
        assert_eq!((hours("26h"), hours("2d"), hours("120m")), (Some(26), Some(48), Some(2)));
        for text in ["", "h", "26", "-1h", "0h", "1w", "1.5h", "99999999999999d"] {
            assert_eq!(parse_age(text), None, "{text}");
        }
    }
}
