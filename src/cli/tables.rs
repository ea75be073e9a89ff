//! Tables people can read.
//!
//! **Invariant:** a row is one line. What does not fit is cut and told, never wrapped; text from
//! data is never taken for control sequences of a terminal.

use arrow::array::{Array, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table};

use super::render::Colour;
use super::words;

/// Lines between columns and under the header only.
const LINES: &str = "     ─┼ │          ";
/// The most characters of a text that are shown.
pub(super) const LONGEST_TEXT: usize = 48;
/// What stands for a missing value.
const MISSING: &str = "∅";

/// How wide a table may be, and whether it carries colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// Characters; no limit where nobody looks.
    pub(super) width: Option<u16>,
    /// Whether headers are bold and missing values dim.
    pub(super) colour: Colour,
}

/// One column's name and side.
#[derive(Debug, Clone)]
struct Heading {
    name: String,
    alignment: CellAlignment,
}

/// A table in the making.
#[derive(Debug, Clone, Default)]
pub(super) struct Grid {
    headings: Vec<Heading>,
    rows: Vec<Vec<Option<String>>>,
}

impl Grid {
    /// A table without rows; a name that starts with `>` is a column of numbers.
    pub(super) fn new(names: &[&str]) -> Self {
        let heading = |name: &&str| match name.strip_prefix('>') {
            Some(name) => Heading { name: name.to_owned(), alignment: CellAlignment::Right },
            None => Heading { name: (*name).to_owned(), alignment: CellAlignment::Left },
        };
        Self { headings: names.iter().map(heading).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into_iter().map(Some).collect());
    }

    /// Adds a row of as many cells as there are columns; `None` is a missing value.
    pub(super) fn cells(&mut self, cells: Vec<Option<String>>) {
        self.rows.push(cells);
    }

    /// The table as text, ending in a line break; columns at the right that do not fit are named
    /// below it.
    pub(super) fn render(&self, frame: Frame) -> String {
        let all = self.headings.len();
        let mut shown = all;
        let mut table = self.table(shown, frame.colour);
        while shown > 1 && frame.width.is_some_and(|width| width_of(&table) > usize::from(width)) {
            shown -= 1;
            table = self.table(shown, frame.colour);
        }
        let mut text: String = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
        if shown < all {
            let left_out: Vec<&str> = self.headings.iter().skip(shown).map(|it| it.name.as_str()).collect();
            let number = words::counted(left_out.len(), "more column");
            text.push_str(&format!("{number}: {}\n", words::listed(&left_out, 8)));
        }
        text
    }

    fn table(&self, columns: usize, colour: Colour) -> Table {
        let mut table = Table::new();
        table.load_preset(LINES).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
        if colour == Colour::Ansi {
            table.enforce_styling();
        }
        let header = self.headings.iter().take(columns);
        table.set_header(header.map(|it| Cell::new(&it.name).add_attribute(Attribute::Bold)));
        for row in &self.rows {
            table.add_row(row.iter().take(columns).map(|content| cell(content.as_deref())));
        }
        for (column, heading) in table.column_iter_mut().zip(&self.headings) {
            column.set_cell_alignment(heading.alignment);
        }
        table
    }
}

/// The characters of the widest line: each column has a blank on both sides and a line between.
fn width_of(table: &Table) -> usize {
    let widths = table.column_max_content_widths();
    let content: usize = widths.iter().map(|width| usize::from(*width)).sum();
    content + 3 * widths.len() - 1
}

fn cell(content: Option<&str>) -> Cell {
    match content {
        Some(text) => Cell::new(one_line(text)),
        None => Cell::new(MISSING).add_attribute(Attribute::Dim),
    }
}

/// The text on one line, cut, with control characters made visible.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == LONGEST_TEXT {
            line.push('…');
            break;
        }
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// The width of the terminal stdout goes to.
pub(super) fn terminal_width() -> Option<u16> {
    Table::new().width()
}

/// The rows of `batches` as a table: numbers at the right and in full, missing values marked.
///
/// # Errors
///
/// Returns an error for a type that cannot be shown.
pub(super) fn of_batches(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Grid, ArrowError> {
    let heading = |field: &arrow::datatypes::FieldRef| {
        let alignment = match field.data_type() {
            data_type if data_type.is_numeric() => CellAlignment::Right,
            DataType::Boolean => CellAlignment::Center,
            _ => CellAlignment::Left,
        };
        Heading { name: one_line(field.name()), alignment }
    };
    let mut grid = Grid { headings: schema.fields().iter().map(heading).collect(), rows: Vec::new() };
    for batch in batches {
        let columns: Vec<Vec<Option<String>>> =
            batch.columns().iter().map(|column| texts(column)).collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| column.get(row).cloned().flatten());
            grid.rows.push(cells.collect());
        }
    }
    Ok(grid)
}

/// The values of a column as text.
///
/// # Errors
///
/// Returns an error for a type that cannot be shown.
pub(super) fn texts(column: &dyn Array) -> Result<Vec<Option<String>>, ArrowError> {
    let options = FormatOptions::new().with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.fZ"));
    if let Some(numbers) = column.as_any().downcast_ref::<Float64Array>() {
        return Ok(numbers.iter().map(|number| number.map(rounded)).collect());
    }
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let text = |row: usize| {
        if column.is_null(row) { Ok(None) } else { formatter.value(row).try_to_string().map(Some) }
    };
    (0..column.len()).map(text).collect()
}

/// A floating-point number to six digits, never less than its whole part: the rest is noise to
/// the eye, and `--output json` has it.
fn rounded(number: f64) -> String {
    const DIGITS: usize = 6;
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    // `1.234560e-4`: the exponent after rounding says where the digits stand.
    let scientific = format!("{number:.*e}", DIGITS - 1);
    let exponent = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    match exponent {
        Some(exponent @ -6..=15) => {
            let decimals = usize::try_from(5 - exponent).unwrap_or(0);
            let text = format!("{number:.decimals$}");
            let fraction = text.contains('.');
            if fraction { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
        }
        _ => scientific,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, StringArray,
        TimestampMicrosecondArray,
    };

    use super::*;

    const PLAIN: Frame = Frame { width: None, colour: Colour::None };

    fn check(columns: Vec<(&str, ArrayRef)>, frame: Frame, expected: &str) {
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        );
        let batch = batch.expect("a batch");
        let grid = of_batches(&batch.schema(), &[batch]).expect("a grid");
        // The literals begin on a line of their own.
        assert_eq!(grid.render(frame), expected.strip_prefix('\n').unwrap_or(expected));
    }

    fn numbers() -> ArrayRef {
        Arc::new(Int64Array::from(vec![Some(7), None, Some(1_234_567)]))
    }

    #[test]
    fn numbers_stand_at_the_right_in_full_and_missing_values_are_marked() {
        let amounts = Decimal128Array::from(vec![Some(1250), Some(-5), None]);
        let amounts = amounts.with_precision_and_scale(18, 2).expect("a decimal");
        let expected = "
      id │ amount │ name
─────────┼────────┼──────
       7 │  12.50 │ a
       ∅ │  -0.05 │ ∅
 1234567 │      ∅ │ été
";
        let names = StringArray::from(vec![Some("a"), None, Some("été")]);
        let columns: Vec<(&str, ArrayRef)> =
            vec![("id", numbers()), ("amount", Arc::new(amounts)), ("name", Arc::new(names))];
        check(columns, PLAIN, expected);
    }

    #[test]
    fn days_instants_and_truth_are_written_out() {
        let instants = TimestampMicrosecondArray::from(vec![1_767_225_600_000_000]).with_timezone("UTC");
        let expected = "
 day        │ at                   │ open │ share
────────────┼──────────────────────┼──────┼───────
 2026-01-01 │ 2026-01-01 00:00:00Z │ true │   0.1
";
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("day", Arc::new(Date32Array::from(vec![20_454]))),
            ("at", Arc::new(instants)),
            ("open", Arc::new(BooleanArray::from(vec![true]))),
            ("share", Arc::new(Float64Array::from(vec![0.1]))),
        ];
        check(columns, PLAIN, expected);
    }

    #[test]
    fn floating_point_numbers_have_six_digits_and_their_whole_part() {
        for (number, text) in [
            (0.1, "0.1"),
            (0.0, "0"),
            (-0.560_221_482_121_544_7, "-0.560221"),
            (0.000_741_052_208, "0.000741052"),
            (0.999_999_99, "1"),
            (1_234_567.89, "1234568"),
            (100.0, "100"),
            (1e-9, "1.00000e-9"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(rounded(number), text);
        }
    }

    #[test]
    fn long_text_is_cut_and_control_characters_are_made_visible() {
        let long = "x".repeat(LONGEST_TEXT + 1);
        let texts = StringArray::from(vec![Some("two\nlines \u{1b}[31m"), Some(&long)]);
        let cut = format!("{}…", "x".repeat(LONGEST_TEXT));
        let expected =
            format!(" text\n{}\n two\\nlines \\u{{1b}}[31m\n {cut}\n", "─".repeat(LONGEST_TEXT + 3));
        check(vec![("text", Arc::new(texts))], PLAIN, &expected);
    }

    #[test]
    fn columns_that_do_not_fit_are_named_below() {
        let columns: Vec<(&str, ArrayRef)> = vec![("id", numbers()), ("b", numbers()), ("c", numbers())];
        let expected = "
      id │       b
─────────┼─────────
       7 │       7
       ∅ │       ∅
 1234567 │ 1234567
1 more column: c
";
        check(columns, Frame { width: Some(20), colour: Colour::None }, expected);
    }

    #[test]
    fn colour_is_only_there_when_asked_for() {
        let mut grid = Grid::new(&["model", ">rows"]);
        grid.row(["a".to_owned(), "1".to_owned()]);
        assert!(grid.render(Frame { width: None, colour: Colour::Ansi }).contains('\u{1b}'));
        assert!(!grid.render(PLAIN).contains('\u{1b}'));
    }
}
