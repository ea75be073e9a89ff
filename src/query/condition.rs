//! A condition as written: one expression, which a query made by the program puts under brackets.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query as AstQuery, Spanned as _, Visit, Visitor, visit_expressions,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Span, Token};

use super::{RECURSION, STACK, place, size, syntax, too_deep, too_large};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, SourceFile, code};
use crate::stack;

/// A column written with the table it is of: `customer_value.p_alive`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnOf {
    /// The name before the first dot, as SQL reads it: in lower case unless quoted.
    pub table: String,
    /// The name after it.
    pub column: String,
    /// Where both stand.
    pub place: Place,
}

/// Reads the text of `file` as exactly one expression without a subquery, and which columns it names with their tables.
///
/// Such a text means the same under brackets, if a line break follows it: its own brackets, quotes and
/// comments are closed.
///
/// # Errors
///
/// Returns `GW0108` for text that is not SQL, `GW0230` for anything but one such expression and
/// `GW0220` for text that is too large or too deeply nested.
pub fn read_condition(file: &SourceFile) -> Result<Vec<ColumnOf>, Diagnostics> {
    if file.text().len() > size::MAX_BYTES {
        return Err(too_large(file));
    }
    stack::deep(STACK, || read_here(file)).unwrap_or_else(|lost| {
        Err(Diagnostic::error(code::BUG, format!("the SQL was not parsed: {lost}")).into())
    })
}

fn read_here(file: &SourceFile) -> Result<Vec<ColumnOf>, Diagnostics> {
    if size::is_too_deep(file.text()) {
        return Err(too_deep(file));
    }
    let wrong = |cause: ParserError| syntax(file, &cause);
    let parser = Parser::new(&GenericDialect {}).with_recursion_limit(RECURSION);
    let mut parser = parser.try_with_sql(file.text()).map_err(wrong)?;
    if parser.peek_token().token == Token::EOF {
        let found = Diagnostic::error(code::NOT_A_CONDITION, "there is no condition here");
        return Err(found.at(file.place(0..file.text().len())).into());
    }
    let expression = parser.parse_expr().map_err(wrong)?;
    let rest = parser.next_token();
    if rest.token != Token::EOF {
        let message = format!("the condition ends before `{}`", rest.token);
        let found = Diagnostic::error(code::NOT_A_CONDITION, message).at(place(file, rest.span));
        return Err(found.help("a rule is one condition; join several by `and` or `or`").into());
    }
    match subquery(&expression) {
        Some(span) => {
            let found = Diagnostic::error(code::NOT_A_CONDITION, "a segment's rule has no subquery");
            let found = found.at(if span == Span::empty() { file.place(0..1) } else { place(file, span) });
            Err(found.help("compute it as a column of `segment_facts`, and name the column here").into())
        }
        None => Ok(columns_of_tables(file, &expression)),
    }
}

fn columns_of_tables(file: &SourceFile, expression: &Expr) -> Vec<ColumnOf> {
    let name = |part: &Ident| match part.quote_style {
        Some(_) => part.value.clone(),
        None => part.value.to_lowercase(),
    };
    let mut columns = Vec::new();
    let _ = visit_expressions(expression, |part| {
        if let Expr::CompoundIdentifier(parts) = part
            && let [table, column, ..] = parts.as_slice()
        {
            let place = place(file, table.span.union(&column.span));
            columns.push(ColumnOf { table: name(table), column: name(column), place });
        }
        ControlFlow::<()>::Continue(())
    });
    columns
}

fn subquery(expression: &Expr) -> Option<Span> {
    struct Finder;
    impl Visitor for Finder {
        type Break = Span;

        fn pre_visit_query(&mut self, query: &AstQuery) -> ControlFlow<Span> {
            ControlFlow::Break(query.span())
        }
    }
    expression.visit(&mut Finder).break_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<String> {
        let found = read_condition(&SourceFile::new("r", text)).err()?.sorted();
        Some(found[0].to_string())
    }

    #[test]
    fn a_condition_is_one_expression() {
        for text in ["a > 1", "a in (1, 2) and b like 'x%' -- why", "(a)\nor not b", "is_new", "a > $x"] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn what_follows_a_condition_is_refused() {
        let ends = "the condition ends before";
        assert_eq!(found("a > 1, b"), Some(format!("GW0230: r:1:6: {ends} `,`")));
        assert_eq!(found("a) or (b"), Some(format!("GW0230: r:1:2: {ends} `)`")));
        assert_eq!(found("a > 1; drop table x"), Some(format!("GW0230: r:1:6: {ends} `;`")));
        assert_eq!(found("a > 1 order by a"), Some(format!("GW0230: r:1:7: {ends} `order`")));
        assert_eq!(found("-- nothing").as_deref(), Some("GW0230: r:1:1: there is no condition here"));
    }

    #[test]
    fn columns_of_other_tables_are_told_with_their_places() {
        let text = "a > 1\nand (Value.p_alive < 0.5 or \"Value\".b is null)";
        let columns = read_condition(&SourceFile::new("r", text)).expect("a condition");
        let told: Vec<_> =
            columns.iter().map(|of| format!("{} {} {}", of.table, of.column, of.place)).collect();
        assert_eq!(told, ["value p_alive r:2:6", "Value b r:2:29"]);
    }

    #[test]
    fn open_quotes_comments_and_brackets_are_refused() {
        for text in ["a = 'x", "a /* b", "(a", "a = \"x"] {
            assert!(found(text).is_some_and(|found| found.starts_with("GW0108")), "{text}");
        }
    }

    #[test]
    fn a_subquery_is_refused_wherever_it_stands() {
        for text in ["a in (select b from t)", "exists (select 1)", "a > (select max(b) from t)"] {
            assert!(found(text).is_some_and(|found| found.contains("no subquery")), "{text}");
        }
    }

    #[test]
    fn a_condition_too_deep_or_too_large_is_refused() {
        for text in ["(".repeat(300) + "a" + &")".repeat(300), "a or ".repeat(100_000) + "a"] {
            assert!(found(&text).is_some_and(|found| found.starts_with("GW0220")));
        }
    }
}
