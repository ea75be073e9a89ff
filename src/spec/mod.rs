//! One YAML file as written: its values, each with the place it stands at.
//!
//! **Invariant:** about one file and pure. A file is read once into a [`Document`], checked
//! against the JSON Schema that editors use too, and only then becomes typed. So every mistake
//! of a file is found at once, and the schema people see is the schema that counts.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile, code};

mod document;
mod models;
mod pipeline;
mod sources;
mod validate;

pub use document::Document;
pub use models::{
    BatchSize, BrokenRows, Changes, ColumnSpec, ColumnTest, Expected, Given, InputSpec, Materialized,
    ModelConfig, ModelSpec, ModelTest, ModelsSpec, MovementSpec, OtherSide, Range, Reconciles, Relationship,
    SegmentKind, SegmentSpec, Times, UnitTestSpec,
};
pub use pipeline::{PipelineSpec, SourceSpec, SourcesSpec, TargetSpec, VariableSpec};
pub use sources::{DriftSpec, FreshnessSpec, SourceColumnSpec, SourceContractSpec, SourceTest};

/// A YAML file, typed, with the places of its values.
#[derive(Debug, Clone)]
pub struct Spec<T> {
    /// What the file says.
    pub value: T,
    /// Where it says it.
    pub document: Document,
}

/// A kind of YAML file people write.
pub trait Written: DeserializeOwned + schemars::JsonSchema {
    /// What the file is called in messages.
    const KIND: &'static str;
}

impl Written for PipelineSpec {
    const KIND: &'static str = "pipeline file";
}

impl Written for ModelsSpec {
    const KIND: &'static str = "model file";
}

/// Reads a file of kind `T`.
///
/// # Errors
///
/// Returns every mistake of the file at once: `GW0101` if it is no YAML, else unknown keys,
/// missing keys and wrong values, each at its place with the nearest thing that was meant.
pub fn read<T: Written>(file: &SourceFile) -> Result<Spec<T>, Diagnostics> {
    let document = Document::parse(file)?;
    validate::validate(&document, &schema::<T>(), T::KIND)?;
    let value = serde_json::from_value(document.json().clone()).map_err(|cause| {
        let message = format!("the {} cannot be understood: {cause}", T::KIND);
        Diagnostic::error(code::WRONG_VALUE, message).at(document.place(""))
    })?;
    Ok(Spec { value, document })
}

/// The JSON Schema of files of kind `T`, for editors and for [`read`].
#[must_use]
pub fn schema<T: Written>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let settings = settings.with_transform(RecursiveTransform(limit_integers));
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Says of whole numbers how large they can be, which `format` says to programs that know it.
fn limit_integers(schema: &mut Schema) {
    let is_unsigned = schema.get("format").and_then(Json::as_str) == Some("uint32");
    if is_unsigned && schema.get("maximum").is_none() {
        schema.insert("maximum".to_owned(), u32::MAX.into());
    }
}
