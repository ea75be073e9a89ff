//! Numbers as people read them.

use crate::count::grouped_digits;
pub(super) use crate::count::{count, counted, grouped};

/// A decimal number as text with its digits grouped: `-1234567.50` is `-1,234,567.50`.
pub(super) fn grouped_decimal(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    match digits.split_once('.') {
        Some((whole, fraction)) => format!("{sign}{}.{fraction}", grouped_digits(whole)),
        None => format!("{sign}{}", grouped_digits(digits)),
    }
}

/// `512 B`, `1.2 kB`, `340 MB`: powers of 1000, as disks are sold.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let mut tenths = number.div_euclid(100);
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("PB");
    let whole = tenths / 10;
    if whole < 10 { format!("{whole}.{} {name}", tenths % 10) } else { format!("{} {name}", grouped(whole)) }
}

/// A time between two instants, in microseconds: `0.4 s`, `12.3 s`, `2 min 05 s`, `1 h 02 min`.
pub(super) fn duration(micros: i64) -> String {
    let tenths = micros.max(0) / 100_000;
    let seconds = tenths / 10;
    match seconds {
        0..60 => format!("{seconds}.{} s", tenths % 10),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A path as a shell takes it: quoted where it needs to be.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./~+,:@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Names in a sentence, the first `shown` of them: `a, b and 4 more`.
pub(super) fn listed<T: std::fmt::Display>(names: &[T], shown: usize) -> String {
    let text = |names: &[T]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match names.get(..shown) {
        Some(first) if names.len() > shown => format!("{} and {} more", text(first), names.len() - shown),
        _ => match names.split_last() {
            Some((last, [])) => last.to_string(),
            Some((last, others)) => format!("{} and {last}", text(others)),
            None => String::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_grouped_before_the_point() {
        assert_eq!(grouped_decimal("-1234567.50"), "-1,234,567.50");
        assert_eq!(grouped_decimal("123"), "123");
    }

    #[test]
    fn sizes_have_two_digits_at_least_and_no_false_precision() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_250, "1.2 kB"),
            (312_499, "312 kB"),
            (999_999, "999 kB"),
            (1_000_000, "1.0 MB"),
            (12_000_000_000, "12 GB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn times_are_told_in_the_units_people_use() {
        for (micros, text) in [
            (-5, "0.0 s"),
            (449_000, "0.4 s"),
            (12_300_000, "12.3 s"),
            (125_000_000, "2 min 05 s"),
            (3_725_000_000, "1 h 02 min"),
        ] {
            assert_eq!(duration(micros), text);
        }
    }

    #[test]
    fn a_path_can_be_typed_into_a_shell() {
        assert_eq!(shell_word("./my-shop_1"), "./my-shop_1");
        assert_eq!(shell_word("my shop"), "'my shop'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(listed::<&str>(&[], 2), "");
        assert_eq!(listed(&["a"], 2), "a");
        assert_eq!(listed(&["a", "b"], 2), "a and b");
        assert_eq!(listed(&["a", "b", "c", "d", "e", "f"], 2), "a, b and 4 more");
    }
}
