//! Binds `$parameters` in the syntax tree: numbers as numbers, the rest as typed literals.
//!
//! **Invariant:** a value never passes through SQL text, so it cannot change the statement.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType as SqlType, ExactNumberInfo, Expr, Statement, TimezoneInfo, TypedString,
    Value as AstValue, ValueWithSpan, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile, code, nearest};
use crate::ident::VariableName;
use crate::query::{Parameters, Value, declared, place};

/// Replaces every parameter of `statement` by its value.
///
/// Parameters without a value are found at once, each at its place (GW0205).
pub(super) fn bind(statement: &mut Statement, file: &SourceFile, parameters: &Parameters) -> Diagnostics {
    let mut binder = Binder { file, parameters, found: Diagnostics::default() };
    let _: ControlFlow<()> = statement.visit(&mut binder);
    binder.found
}

struct Binder<'a> {
    file: &'a SourceFile,
    parameters: &'a Parameters,
    found: Diagnostics,
}

impl VisitorMut for Binder<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expression
            && let AstValue::Placeholder(written) = &value.value
        {
            let name = written.trim_start_matches('$');
            match declared(name, self.parameters) {
                Some(bound) => *expression = literal(bound, value.span),
                None => self.found.push(self.unknown(name, value.span)),
            }
        }
        ControlFlow::Continue(())
    }
}

impl Binder<'_> {
    fn unknown(&self, name: &str, span: Span) -> Diagnostic {
        let message = format!("parameter `${name}` is not declared");
        let found = Diagnostic::error(code::UNKNOWN_VARIABLE, message).at(place(self.file, span));
        match nearest(name, self.parameters.keys().map(VariableName::as_str)) {
            Some(near) => found.label(format!("did you mean `${near}`?")),
            None => found.help("declare it under `vars` in the pipeline file"),
        }
    }
}

fn literal(value: &Value, span: Span) -> Expr {
    let plain = |value: AstValue| Expr::Value(ValueWithSpan { value, span });
    let text = |text: String| AstValue::SingleQuotedString(text);
    match value {
        Value::Int(number) => plain(AstValue::Number(number.to_string(), false)),
        Value::Decimal { precision, scale, .. } => {
            let number = plain(text(value.to_string()));
            cast(number, SqlType::Decimal(exact(*precision, *scale)))
        }
        Value::Double(number) => {
            cast(plain(text(format!("{number:e}"))), SqlType::Double(ExactNumberInfo::None))
        }
        Value::String(string) => plain(text(string.clone())),
        Value::Bool(truth) => plain(AstValue::Boolean(*truth)),
        Value::Date(_) => typed(SqlType::Date, ValueWithSpan { value: text(value.to_string()), span }),
        Value::Timestamp(_) => {
            let data_type = SqlType::Timestamp(None, TimezoneInfo::WithTimeZone);
            typed(data_type, ValueWithSpan { value: text(value.to_string()), span })
        }
    }
}

fn exact(precision: u8, scale: i8) -> ExactNumberInfo {
    ExactNumberInfo::PrecisionAndScale(u64::from(precision), i64::from(scale))
}

fn cast(expression: Expr, data_type: SqlType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expression), data_type, array: false, format: None }
}

fn typed(data_type: SqlType, value: ValueWithSpan) -> Expr {
    Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false })
}
