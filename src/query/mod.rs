//! One SQL file as written: its single SELECT, the tables it reads, the parameters it uses.
//!
//! **Invariant:** pure and about one file. Names are found here, not resolved; types come later.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, SetExpr, Spanned as _, Statement, Value as AstValue, visit_expressions, visit_relations,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::diagnostic::{Diagnostic, Diagnostics, Place, SourceFile, code};
use crate::ident::{NodeName, VariableName};
use crate::interval::Instant;
use crate::stack;

mod condition;
mod outputs;
mod size;

pub use crate::value::{Value, ValueType, WrongValue};
pub use condition::{ColumnOf, read_condition};

/// A chain in the text becomes a tree as deep, and trees are dropped by recursion: for 256 KiB of
/// text that is some hundred megabytes.
const STACK: usize = 512 * 1024 * 1024;

/// The schema under which SQL reads a raw source: `sources.orders`.
pub const SOURCES_SCHEMA: &str = "sources";

/// How deep the parser goes; what [`size::is_too_deep`] lets pass needs less, but for prefixes such
/// as `not not …`.
const RECURSION: usize = 200;

/// What a query calls one of its inputs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableName {
    /// `orders`: a model, or a source when no model has that name.
    Bare(NodeName),
    /// `sources.orders`: the raw source.
    Source(NodeName),
}

impl TableName {
    /// The name without its schema.
    #[must_use]
    pub const fn node(&self) -> &NodeName {
        match self {
            Self::Bare(name) | Self::Source(name) => name,
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(name) => write!(f, "{name}"),
            Self::Source(name) => write!(f, "{SOURCES_SCHEMA}.{name}"),
        }
    }
}

/// The values of parameters, by name.
pub type Parameters = BTreeMap<VariableName, Value>;

/// A table named in FROM or JOIN, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRef {
    /// The name, with its schema if one was written; not yet known to exist.
    pub written: String,
    /// The name if it can be one.
    pub table: Option<TableName>,
    /// Where it is first read.
    pub place: Place,
}

/// A `$parameter`, at each place it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterRef {
    /// The name without `$`; not yet known to be declared.
    pub name: String,
    /// Where it stands.
    pub place: Place,
}

/// One model's SQL as written: exactly one SELECT.
#[derive(Debug, Clone)]
pub struct Query {
    /// The file it was read from.
    pub file: SourceFile,
    /// The comment at the head of the file, without dashes.
    pub description: String,
    /// The parsed SELECT, with spans.
    pub statement: Statement,
    /// Tables read from FROM and JOIN, each once, without the query's own CTEs.
    pub inputs: Vec<InputRef>,
    /// Every use of a parameter, in the order of the text.
    pub parameters: Vec<ParameterRef>,
}

/// Parses the text of `file`.
///
/// # Errors
///
/// Returns `GW0108` for text that is not SQL, `GW0109` for anything but one SELECT and `GW0220`
/// for text that is too large or too deeply nested.
pub fn parse(file: &SourceFile) -> Result<Query, Diagnostics> {
    if file.text().len() > size::MAX_BYTES {
        return Err(too_large(file));
    }
    stack::deep(STACK, || parse_here(file)).unwrap_or_else(|lost| {
        Err(Diagnostic::error(code::BUG, format!("the SQL was not parsed: {lost}")).into())
    })
}

/// What leaves this function is small: it may be copied and dropped on any thread.
fn parse_here(file: &SourceFile) -> Result<Query, Diagnostics> {
    if size::is_too_deep(file.text()) {
        return Err(too_deep(file));
    }
    let parser = Parser::new(&GenericDialect {}).with_recursion_limit(RECURSION);
    let statements = parser.try_with_sql(file.text()).and_then(|mut parser| parser.parse_statements());
    let statements = statements.map_err(|cause| syntax(file, &cause))?;
    let statement = single_select(file, statements)?;
    if size::is_too_large(&statement) {
        return Err(too_large(file));
    }
    let inputs = inputs(file, &statement)?;
    let parameters = parameters(file, &statement);
    let description = head_comment(file.text());
    Ok(Query { file: file.clone(), description, statement, inputs, parameters })
}

/// The place of a span of the parser, which counts lines and columns in characters.
#[must_use]
pub fn place(file: &SourceFile, span: Span) -> Place {
    let at = |line: u64, column: u64| {
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        file.offset(line, column)
    };
    let start = at(span.start.line, span.start.column);
    let end = at(span.end.line, span.end.column);
    file.place(start..end.max(start))
}

fn too_large(file: &SourceFile) -> Diagnostics {
    let found = Diagnostic::error(code::QUERY_TOO_LARGE, "the SQL is too large to plan");
    let found = found.at(file.place_at(1, 1, 1));
    found.help("split it into models, or replace long OR chains by IN or a join").into()
}

fn too_deep(file: &SourceFile) -> Diagnostics {
    let found = Diagnostic::error(code::QUERY_TOO_LARGE, "the SQL is nested too deeply to plan");
    let found = found.at(file.place_at(1, 1, 1));
    found.help("give inner parts a name: CTEs (`with …`), or models of their own").into()
}

fn syntax(file: &SourceFile, cause: &ParserError) -> Diagnostics {
    let text = match cause {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => return too_deep(file),
    };
    let (message, position) = split_position(text);
    let message = lower_first(message.trim_end_matches([' ', ',']));
    let found = Diagnostic::error(code::SQL_SYNTAX, message);
    let place = match position {
        Some((line, column)) => file.place_at(line, column, word_length(file, line, column)),
        None => file.place_at(1, 1, 1),
    };
    found.at(place).into()
}

/// Splits "Expected: …, found: x at Line: 3, Column: 5" into the message and the position.
fn split_position(text: &str) -> (&str, Option<(usize, usize)>) {
    let Some((message, position)) = text.rsplit_once(" at Line: ") else {
        return (text, None);
    };
    let mut numbers = position.split(", Column: ").map(|number| number.trim().parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(line), Some(column)) => (message, Some((line, column))),
        _ => (text, None),
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn word_length(file: &SourceFile, line: usize, column: usize) -> usize {
    let start = file.offset(line, column);
    let rest = file.text().get(start..).unwrap_or_default();
    let word = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').count();
    word.max(1)
}

fn single_select(file: &SourceFile, statements: Vec<Statement>) -> Result<Statement, Diagnostics> {
    let refuse = |message: String, span: Span| {
        let found = Diagnostic::error(code::NOT_ONE_SELECT, message).at(place(file, span));
        Diagnostics::from(found.help("a model is exactly one SELECT; CTEs (`with …`) are welcome"))
    };
    let mut statements = statements.into_iter();
    let Some(first) = statements.next() else {
        return Err(refuse("the file has no SELECT".to_owned(), Span::empty()));
    };
    if let Some(second) = statements.next() {
        return Err(refuse("the file has more than one statement".to_owned(), second.span()));
    }
    match &first {
        Statement::Query(query) if reads_only(&query.body) => Ok(first),
        other => {
            let word = file.text().get(first_word(file.text())).unwrap_or_default().to_lowercase();
            let span = other.span();
            let found = if span == Span::empty() { first_word_span(file) } else { place(file, span) };
            let message = format!("`{word}` is not a SELECT");
            let found = Diagnostic::error(code::NOT_ONE_SELECT, message).at(found);
            Err(found.help("a model is exactly one SELECT; nothing else is ever run").into())
        }
    }
}

fn first_word(text: &str) -> std::ops::Range<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let code = line.trim_start();
        if !code.is_empty() && !code.starts_with("--") {
            start += line.len() - code.len();
            let length = code.find(|c: char| !c.is_alphanumeric()).unwrap_or(code.len());
            return start..start + length;
        }
        start += line.len();
    }
    0..0
}

fn first_word_span(file: &SourceFile) -> Place {
    file.place(first_word(file.text()))
}

fn reads_only(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::Query(query) => reads_only(&query.body),
        SetExpr::SetOperation { left, right, .. } => reads_only(left) && reads_only(right),
        SetExpr::Values(_) => true,
        _ => false,
    }
}

fn inputs(file: &SourceFile, statement: &Statement) -> Result<Vec<InputRef>, Diagnostics> {
    let wrapped = DfStatement::Statement(Box::new(statement.clone()));
    let resolved = resolve_table_references(&wrapped, true).map_err(|cause| {
        let found = Diagnostic::error(code::SQL_SYNTAX, lower_first(&cause.strip_backtrace()));
        Diagnostics::from(found.at(first_word_span(file)))
    })?;
    let mut places = BTreeMap::new();
    let _: ControlFlow<()> = visit_relations(statement, |relation| {
        places.entry(normalized(relation)).or_insert_with(|| place(file, relation.span()));
        ControlFlow::Continue(())
    });
    let input = |reference: &TableReference| {
        let written = reference.to_string();
        let found = places.get(&written).cloned();
        let place = found.unwrap_or_else(|| first_word_span(file));
        InputRef { table: table_name(reference), written, place }
    };
    let mut inputs: Vec<InputRef> = resolved.0.iter().map(input).collect();
    inputs.sort_by_key(|input| input.place.span().start);
    Ok(inputs)
}

fn normalized(relation: &ObjectName) -> String {
    let part = |part: &datafusion::sql::sqlparser::ast::ObjectNamePart| {
        part.as_ident().map(|ident| match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_ascii_lowercase(),
        })
    };
    relation.0.iter().filter_map(part).collect::<Vec<_>>().join(".")
}

fn table_name(reference: &TableReference) -> Option<TableName> {
    match reference {
        TableReference::Bare { table } => NodeName::parse(table).ok().map(TableName::Bare),
        TableReference::Partial { schema, table } if schema.as_ref() == SOURCES_SCHEMA => {
            NodeName::parse(table).ok().map(TableName::Source)
        }
        _ => None,
    }
}

fn parameters(file: &SourceFile, statement: &Statement) -> Vec<ParameterRef> {
    let mut found = Vec::new();
    let _: ControlFlow<()> = visit_expressions(statement, |expression| {
        if let Expr::Value(value) = expression
            && let AstValue::Placeholder(written) = &value.value
        {
            let name = written.trim_start_matches('$').to_owned();
            found.push(ParameterRef { name, place: place(file, value.span) });
        }
        ControlFlow::Continue(())
    });
    found.sort_by_key(|parameter| parameter.place.span().start);
    found
}

fn head_comment(text: &str) -> String {
    let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    let comment = lines.map_while(|line| line.strip_prefix("--")).map(str::trim);
    comment.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Checks that `name` is declared; for the built-in and the pipeline's own variables alike.
#[must_use]
pub fn declared<'a>(name: &str, parameters: &'a Parameters) -> Option<&'a Value> {
    VariableName::parse(name).ok().and_then(|name| parameters.get(&name))
}

/// The moment a parameter such as `$as_of` holds, if it is one.
#[must_use]
pub fn instant(name: &str, parameters: &Parameters) -> Option<Instant> {
    match declared(name, parameters) {
        Some(Value::Timestamp(at)) => Some(*at),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<Query, Diagnostics> {
        parse(&SourceFile::new("m.sql", text))
    }

    fn refused(text: &str) -> String {
        let found = query(text).expect_err("refused").sorted();
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn inputs_are_tables_without_ctes_each_at_its_place() {
        let text = "with a as (select * from Orders)\nselect * from a join sources.orders using (id)";
        let query = query(text).expect("one select");
        let written: Vec<_> = query.inputs.iter().map(|input| input.written.as_str()).collect();
        assert_eq!(written, ["orders", "sources.orders"]);
        assert_eq!(query.inputs[0].place.text(), "Orders");
        assert_eq!(query.inputs[1].place.to_string(), "m.sql:2:22");
        assert_eq!(query.inputs[1].place.text(), "sources.orders");
    }

    #[test]
    fn parameters_are_found_wherever_they_stand() {
        let query = query("select $a from t where x < $b limit $a").expect("one select");
        let found: Vec<_> = query.parameters.iter().map(|p| (p.name.as_str(), p.place.text())).collect();
        assert_eq!(found, [("a", "$a"), ("b", "$b"), ("a", "$a")]);
    }

    #[test]
    fn anything_but_one_select_is_refused() {
        assert_eq!(refused("-- x\ndrop table orders"), "GW0109: m.sql:2:1: `drop` is not a SELECT");
        assert_eq!(refused("select 1; select 2"), "GW0109: m.sql:1:11: the file has more than one statement");
        assert!(refused("insert into t select 1").contains("GW0109"));
        assert!(refused("select 1 as x into y").contains("GW0109"));
        assert!(refused("copy t to 'x'").contains("GW0109"));
        assert!(refused("-- nothing").contains("GW0109"));
    }

    #[test]
    fn a_syntax_error_points_at_its_word() {
        assert_eq!(refused("select (a\nfrom t"), "GW0108: m.sql:2:1: expected: ), found: from");
    }

    #[test]
    fn the_head_comment_describes_the_model() {
        let query = query("-- One row per customer.\n-- Ties by id.\nselect 1 -- no\n").expect("one select");
        assert_eq!(query.description, "One row per customer. Ties by id.");
    }
}
