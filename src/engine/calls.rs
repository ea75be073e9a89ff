//! The function calls of a statement as written: which of them exist, which are refused.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, LimitClause, ObjectName, Query as AstQuery, Spanned as _, Statement, TableFactor,
    Value as AstValue, Visit, Visitor, visit_expressions,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::context::{function_names, is_function, looks_at_many_rows};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, SourceFile, code, nearest};
use crate::functions::{Refusal, refusal};
use crate::query::place;

/// One call as written.
#[derive(Debug)]
struct Call {
    name: String,
    place: Place,
    identifiers: BTreeSet<String>,
    is_window: bool,
}

/// What the text of a statement tells about it before it is planned.
#[derive(Debug, Default)]
pub(super) struct Written {
    calls: Vec<Call>,
    limits: Vec<Place>,
    identifiers: Vec<(String, Place)>,
    texts: Vec<(String, Place)>,
    tables: Vec<(String, String)>,
}

impl Written {
    /// Reads `statement`, once.
    pub(super) fn read(statement: &Statement, file: &SourceFile) -> Self {
        let mut reader = Reader { file, written: Self::default() };
        let _: ControlFlow<()> = statement.visit(&mut reader);
        reader.written
    }

    /// Where `name` is called with just the columns `columns`, or is called at all.
    pub(super) fn call(&self, name: &str, columns: &BTreeSet<String>) -> Option<Place> {
        let calls = || self.calls.iter().filter(|call| call.name == name);
        let same = calls().find(|call| call.identifiers == *columns);
        let over = || calls().find(|call| columns.iter().all(|column| call.identifiers.contains(column)));
        same.or_else(over).or_else(|| calls().next()).map(|call| call.place.clone())
    }

    /// Where the first LIMIT stands.
    pub(super) fn limit(&self) -> Option<Place> {
        self.limits.first().cloned()
    }

    /// Where the identifier `name` is first written.
    pub(super) fn identifier(&self, name: &str) -> Option<Place> {
        let mut found = self.identifiers.iter().filter(|(written, _)| written == name);
        found.next().map(|(_, place)| place.clone())
    }

    /// Where the text `text` first stands between quotes.
    pub(super) fn text(&self, text: &str) -> Option<Place> {
        let mut found = self.texts.iter().filter(|(written, _)| written == text);
        found.next().map(|(_, place)| place.clone())
    }

    /// The table that the alias `alias` stands for.
    pub(super) fn table_of(&self, alias: &str) -> Option<&str> {
        let mut found = self.tables.iter().filter(|(known, _)| known == alias);
        found.next().map(|(_, table)| table.as_str())
    }

    /// Whether any column is named at all.
    pub(super) fn names_columns(&self) -> bool {
        !self.identifiers.is_empty()
    }

    /// Every call of a function that does not look at one row and give one value (GW0230).
    pub(super) fn calls_over_many_rows(&self) -> Diagnostics {
        let many = self.calls.iter().filter(|call| call.is_window || looks_at_many_rows(&call.name));
        let refuse = |call: &Call| {
            let message = format!("`{}` looks at many rows, a segment's rule at one", call.name);
            let found = Diagnostic::error(code::NOT_A_CONDITION, message).at(call.place.clone());
            found.help("compute it as a column of `segment_facts`, and name the column here")
        };
        many.map(refuse).collect()
    }

    /// Every call that may not be made: unknown (GW0221) or refused (GW0212, GW0214).
    pub(super) fn refused(&self) -> Diagnostics {
        self.calls.iter().filter_map(judge).collect()
    }
}

fn judge(call: &Call) -> Option<Diagnostic> {
    let name = &call.name;
    if let Some(refusal) = refusal(name) {
        let (code, message) = match refusal {
            Refusal::Nondeterministic { .. } => {
                (code::NONDETERMINISTIC, format!("`{name}` gives another result in every run"))
            }
            Refusal::Inexact { .. } => {
                (code::INEXACT_AGGREGATE, format!("the result of `{name}` depends on the order of rows"))
            }
        };
        return Some(Diagnostic::error(code, message).at(call.place.clone()).help(refusal.instead()));
    }
    if is_function(name) {
        return None;
    }
    let found = Diagnostic::error(code::UNKNOWN_FUNCTION, format!("function `{name}` not found"));
    let found = found.at(call.place.clone());
    Some(match nearest(name, function_names()) {
        Some(near) => found.label(format!("did you mean `{near}`?")),
        None => found.help("`goodwill functions` lists all functions"),
    })
}

struct Reader<'a> {
    file: &'a SourceFile,
    written: Written,
}

impl Reader<'_> {
    fn place(&self, span: Span) -> Place {
        place(self.file, span)
    }

    fn call(&mut self, function: &Function) {
        let mut identifiers = BTreeSet::new();
        let mut keep = |expression: &Expr| {
            match expression {
                Expr::Identifier(name) => identifiers.insert(name.value.to_lowercase()),
                Expr::CompoundIdentifier(parts) => {
                    parts.last().is_some_and(|name| identifiers.insert(name.value.to_lowercase()))
                }
                _ => false,
            };
            ControlFlow::<()>::Continue(())
        };
        let _ = visit_expressions(&function.over, &mut keep);
        let _ = visit_expressions(&function.args, &mut keep);
        let _ = visit_expressions(&function.within_group, &mut keep);
        let place = self.place(function.name.span());
        let is_window = function.over.is_some();
        self.written.calls.push(Call { name: last_name(&function.name), place, identifiers, is_window });
    }
}

fn last_name(name: &ObjectName) -> String {
    let last = name.0.last().and_then(|part| part.as_ident());
    last.map_or_else(String::new, |ident| ident.value.to_lowercase())
}

impl Visitor for Reader<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &AstQuery) -> ControlFlow<()> {
        if let Some(LimitClause::LimitOffset { limit: Some(limit), .. }) = &query.limit_clause {
            let place = self.place(limit.span());
            self.written.limits.push(place);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, .. } = factor {
            let table = name.to_string().to_lowercase();
            let known =
                alias.as_ref().map_or_else(|| last_name(name), |alias| alias.name.value.to_lowercase());
            self.written.tables.push((known, table));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        match expression {
            Expr::Function(function) => self.call(function),
            Expr::Identifier(name) => {
                let place = self.place(name.span);
                self.written.identifiers.push((name.value.to_lowercase(), place));
            }
            Expr::CompoundIdentifier(parts) => {
                if let Some(name) = parts.last() {
                    let place = self.place(expression.span());
                    self.written.identifiers.push((name.value.to_lowercase(), place));
                }
            }
            Expr::Value(value) => {
                if let AstValue::SingleQuotedString(text) = &value.value {
                    let place = self.place(value.span);
                    self.written.texts.push((text.clone(), place));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
