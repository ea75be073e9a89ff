//! Where the columns of a query's result are named.

use datafusion::sql::sqlparser::ast::{Expr, Ident, SelectItem, SetExpr, Spanned as _, Statement};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::{Query, place};
use crate::diagnostic::Place;

impl Query {
    /// Where the SELECT list names the output column `name`: its alias, or the column itself.
    ///
    /// Columns of `*` have no place of their own; of a UNION, the first SELECT names the columns.
    #[must_use]
    pub fn output_place(&self, name: &str) -> Option<Place> {
        let Statement::Query(query) = &self.statement else { return None };
        let span = first_list(&query.body)?.iter().find_map(|item| named(item, name))?;
        (span != Span::empty()).then(|| place(&self.file, span))
    }
}

fn first_list(body: &SetExpr) -> Option<&[SelectItem]> {
    match body {
        SetExpr::Select(select) => Some(&select.projection),
        SetExpr::Query(query) => first_list(&query.body),
        SetExpr::SetOperation { left, .. } => first_list(left),
        _ => None,
    }
}

fn named(item: &SelectItem, name: &str) -> Option<Span> {
    let (ident, span) = match item {
        SelectItem::ExprWithAlias { alias, .. } => (alias, alias.span),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => (ident, ident.span),
        SelectItem::UnnamedExpr(expression @ Expr::CompoundIdentifier(parts)) => {
            (parts.last()?, expression.span())
        }
        _ => return None,
    };
    (normalized(ident) == name).then_some(span)
}

fn normalized(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::SourceFile;
    use crate::query::parse;

    #[test]
    fn an_output_column_is_found_where_it_is_named() {
        let text = "with x as (select b from t)\nselect x.a, B, a * 2 as twice, 1 as \"Big\", x.* from x union select 1";
        let query = parse(&SourceFile::new("m.sql", text)).expect("one select");
        let place =
            |name: &str| query.output_place(name).map(|place| (place.to_string(), place.text().to_owned()));
        let at = |column: usize, text: &str| Some((format!("m.sql:2:{column}"), text.to_owned()));
        assert_eq!(place("a"), at(8, "x.a"));
        assert_eq!(place("b"), at(13, "B"));
        assert_eq!(place("twice"), at(25, "twice"));
        assert_eq!(place("Big"), at(37, "\"Big\""));
        assert_eq!(place("c"), None);
    }
}
