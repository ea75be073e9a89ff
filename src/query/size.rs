//! How large a statement is: what cannot be read or planned in time and memory is refused before
//! it is tried.
//!
//! The parser reads a wrong text anew for each `case` and `cast(` that it stands in, twice as often
//! with every level; planning takes time quadratic in some numbers; trees are dropped by recursion.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, SetExpr, Statement, Visit, Visitor, visit_relations,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// The longest text that is read.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// The most expressions a statement may have.
const MAX_EXPRESSIONS: usize = 10_000;
/// The longest chain such as `a or b or …`.
const MAX_CHAIN: usize = 1_000;
/// The longest chain of `select … union all select …`.
const MAX_SELECTS: usize = 128;
/// The most tables a statement may read, each CTE counted with all it reads whenever it is read.
const MAX_TABLES: usize = 300;

/// The most brackets and `case … end` that stand within each other.
const MAX_NESTING: usize = 40;
/// The most of them that begin with a word which could be a column's name too.
const MAX_NESTED_WORDS: usize = 16;

/// Whether `text` is nested too deeply to be parsed; what is no SQL at all is left to the parser.
pub(super) fn is_too_deep(text: &str) -> bool {
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize().unwrap_or_default();
    let mut open: Vec<Opened> = Vec::new();
    let mut before = Keyword::NoKeyword;
    for token in tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))) {
        let keyword = match token {
            Token::Word(word) if word.quote_style.is_none() => word.keyword,
            _ => Keyword::NoKeyword,
        };
        match token {
            Token::LParen if is_read_twice(before) => open.push(Opened::Call),
            Token::LParen | Token::LBracket | Token::LBrace => open.push(Opened::Bracket),
            Token::RParen | Token::RBracket | Token::RBrace => {
                while open.pop_if(|last| *last == Opened::Case).is_some() {}
                open.pop();
            }
            _ if keyword == Keyword::CASE => open.push(Opened::Case),
            _ if keyword == Keyword::END => drop(open.pop_if(|last| *last == Opened::Case)),
            _ => {}
        }
        let words = open.iter().filter(|opened| **opened != Opened::Bracket).count();
        if open.len() > MAX_NESTING || words > MAX_NESTED_WORDS {
            return true;
        }
        before = keyword;
    }
    false
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opened {
    Bracket,
    Call,
    Case,
}

/// Whether a call of `word` that cannot be read is read again as that of any function.
const fn is_read_twice(word: Keyword) -> bool {
    matches!(
        word,
        Keyword::CAST
            | Keyword::TRY_CAST
            | Keyword::SAFE_CAST
            | Keyword::CONVERT
            | Keyword::TRY_CONVERT
            | Keyword::EXTRACT
            | Keyword::CEIL
            | Keyword::FLOOR
            | Keyword::POSITION
            | Keyword::SUBSTR
            | Keyword::SUBSTRING
            | Keyword::OVERLAY
            | Keyword::TRIM
            | Keyword::EXISTS
            | Keyword::INTERVAL
            | Keyword::STRUCT
            | Keyword::ARRAY
            | Keyword::MAP
    )
}

/// Whether `statement` is too large to plan.
pub(super) fn is_too_large(statement: &Statement) -> bool {
    statement.visit(&mut Size::default()).is_break()
}

#[derive(Debug, Default)]
struct Size {
    expressions: usize,
    depth: usize,
    tables: usize,
    /// How many tables are read where a CTE is; names hide each other, so the larger number counts.
    ctes: BTreeMap<String, usize>,
}

impl Size {
    fn tables_of(&self, relation: &ObjectName) -> usize {
        self.ctes.get(&relation.to_string().to_lowercase()).copied().unwrap_or(1)
    }

    fn tables_in(&self, part: &impl Visit) -> usize {
        let mut tables = 0_usize;
        let _: ControlFlow<()> = visit_relations(part, |relation| {
            tables = tables.saturating_add(self.tables_of(relation));
            ControlFlow::Continue(())
        });
        tables
    }
}

fn within(number: usize, most: usize) -> ControlFlow<()> {
    if number > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn selects(body: &SetExpr) -> usize {
    let (mut number, mut at) = (1, body);
    while let SetExpr::SetOperation { left, .. } = at {
        number += 1;
        at = left;
    }
    number
}

impl Visitor for Size {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let tables = self.tables_in(&cte.query).max(1);
            let known = self.ctes.entry(cte.alias.name.value.to_lowercase()).or_default();
            *known = tables.max(*known);
            within(tables, MAX_TABLES)?;
        }
        // A subquery is joined as a table is.
        self.tables += 1;
        within(self.tables, MAX_TABLES)?;
        within(selects(&query.body), MAX_SELECTS)
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.tables = self.tables.saturating_add(self.tables_of(relation));
        within(self.tables, MAX_TABLES)
    }

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.expressions += 1;
        self.depth += 1;
        within(self.expressions, MAX_EXPRESSIONS)?;
        within(self.depth, MAX_CHAIN)
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::SourceFile;
    use crate::query::parse;

    fn code(text: &str) -> Option<String> {
        let found = parse(&SourceFile::new("m.sql", text)).err()?.sorted();
        Some(found[0].code.to_string())
    }

    /// `select a<part><part>…`, `times` parts.
    fn chain(part: &str, times: usize) -> String {
        format!("select a{} from t", part.repeat(times))
    }

    /// `select <open><open>…a<close><close>…`, `times` levels.
    fn nested(open: &str, close: &str, times: usize) -> String {
        format!("select {}a{} from t", open.repeat(times), close.repeat(times))
    }

    const PARTS: [&str; 5] = [" or a", "+1", "::int", " is null", "[1]"];
    const LEVELS: [(&str, &str); 8] = [
        ("(", ")"),
        ("case when a then ", " end"),
        ("case ", " when a then a end"),
        ("abs(", ")"),
        ("not ", ""),
        ("- ", ""),
        ("(select ", ")"),
        ("cast(", " as int)"),
    ];

    #[test]
    fn what_people_write_is_not_too_large() {
        for part in PARTS {
            assert_eq!(code(&chain(part, 900)), None, "{part}");
        }
        for (open, close) in LEVELS {
            assert_eq!(code(&nested(open, close, 10)), None, "{open}");
        }
        assert_eq!(code(&format!("select a from t{}", " union all select a from t".repeat(127))), None);
    }

    #[test]
    fn long_chains_are_refused_whatever_they_are_made_of() {
        for part in PARTS.iter().filter(|part| **part != "[1]") {
            for times in [1_001, 10_000, 250_000 / part.len()] {
                assert_eq!(code(&chain(part, times)).as_deref(), Some("GW0220"), "{times} of {part}");
            }
        }
        let union = "select a from t union all ".repeat(9_000) + "select a from t";
        assert_eq!(code(&union).as_deref(), Some("GW0220"));
        let joins = "select a from t".to_owned() + &" join t using (a)".repeat(10_000);
        assert_eq!(code(&joins).as_deref(), Some("GW0220"));
        let list = "select a from t where a in (1".to_owned() + &",1".repeat(100_000) + ")";
        assert_eq!(code(&list).as_deref(), Some("GW0220"));
    }

    #[test]
    fn deep_nesting_is_refused_whatever_it_is_made_of() {
        for (open, close) in LEVELS {
            for times in [300, 2_000, 5_000] {
                let found = code(&nested(open, close, times));
                // The parser itself refuses a word such as `not` in the place of a column.
                let expected = if open == "not " { "GW0108" } else { "GW0220" };
                assert_eq!(found.as_deref(), Some(expected), "{times} of {open}");
            }
        }
        for times in [60, 2_000] {
            let tables = format!("select a from {}t{}", "(".repeat(times), ")".repeat(times));
            assert_eq!(code(&tables).as_deref(), Some("GW0220"));
            let derived = format!("select a from {}t{}", "(select a from ".repeat(times), ")".repeat(times));
            assert_eq!(code(&derived).as_deref(), Some("GW0220"));
        }
    }

    #[test]
    fn subqueries_are_counted_as_tables() {
        let joined =
            |times: usize| format!("select 1 as x from {}", vec!["(select 1) t"; times].join(" cross join "));
        assert_eq!(code(&joined(200)), None);
        assert_eq!(code(&joined(400)).as_deref(), Some("GW0220"));
    }

    #[test]
    fn a_mistake_deep_inside_is_found_in_time() {
        for (open, close) in LEVELS {
            for (inner, ends) in [("a b c", close.repeat(15)), ("a", String::new())] {
                let text = format!("select {}{inner}{ends}, b from t", open.repeat(15));
                assert!(matches!(code(&text).as_deref(), None | Some("GW0108")), "{text}");
            }
        }
        assert_eq!(code(&format!("select {}a", "case when a then ".repeat(40))).as_deref(), Some("GW0220"));
    }

    #[test]
    fn tables_that_double_in_every_cte_are_counted() {
        let cte = |at: usize| format!("c{at} as (select * from c{before} x, c{before} y)", before = at - 1);
        let bomb = |ctes: usize| {
            let ctes: Vec<String> = (1..=ctes).map(cte).collect();
            format!("with c0 as (select 1 as a), {} select * from c{}", ctes.join(", "), ctes.len())
        };
        assert_eq!(code(&bomb(5)), None);
        assert_eq!(code(&bomb(40)).as_deref(), Some("GW0220"));
    }

    #[test]
    fn a_text_over_the_limit_is_not_read() {
        assert_eq!(code(&chain(" or a", 200_000)).as_deref(), Some("GW0220"));
    }
}
