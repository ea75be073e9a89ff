//! Addresses without what gives access: no message shows who asks, nor a signature.

use std::ops::Range;

/// `text` without the user, the password and the query of every address in it.
///
/// `https://user:password@host/path?sig=…` becomes `https://host/path`.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for secret in secrets(text) {
        shown.push_str(text.get(from..secret.start).unwrap_or_default());
        from = secret.end;
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}

/// `text` of the same length with stars in these places, so that its lines can still be pointed at.
#[must_use]
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for secret in secrets(text) {
        shown.push_str(text.get(from..secret.start).unwrap_or_default());
        shown.push_str(&"*".repeat(secret.len()));
        from = secret.end;
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}

/// Where the secrets are, in order.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("://")) {
        let start = from + at + 3;
        let rest = text.get(start..).unwrap_or_default();
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
        let end = start + rest.find(ends).unwrap_or(rest.len());
        let scheme = text.get(..start - 3).unwrap_or_default();
        found.extend(of_address(scheme, start, text.get(start..end).unwrap_or_default()));
        from = end;
    }
    found
}

/// The secrets of the address that follows `scheme://` and stands at `start`.
fn of_address(scheme: &str, start: usize, address: &str) -> Vec<Range<usize>> {
    let user = address.rfind('@').map(|at| &address[..=at]).filter(|user| is_secret(scheme, user));
    let user = user.map_or(0, str::len);
    let query = address[user..].find('?').map(|at| start + user + at..start + address.len());
    let user = Some(start..start + user).filter(|user| !user.is_empty());
    user.into_iter().chain(query).collect()
}

/// Whether what stands before an `@` says who asks: a password may have any character, but a path
/// may have an `@`, and Azure's containers stand before one.
fn is_secret(scheme: &str, before: &str) -> bool {
    let container = scheme.ends_with("abfs") || scheme.ends_with("abfss");
    before.contains(':') || !(container || before.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::{masked, without_secrets};

    #[test]
    fn an_address_is_shown_without_user_and_query() {
        for (text, shown) in [
            ("`https://user:pass@host/path?sig=x` cannot be opened", "`https://host/path` cannot be opened"),
            ("s3://KEY:pa/ss?w@rd@bucket/x", "s3://bucket/x"),
            ("https://token@host", "https://host"),
            ("s3://bucket/a@b.parquet", "s3://bucket/a@b.parquet"),
            ("abfss://box@account.dfs.core.windows.net/x?sv=1", "abfss://box@account.dfs.core.windows.net/x"),
            ("from s3://a:b@c to az://d?e, that is", "from s3://c to az://d that is"),
            ("no address: a@b?c", "no address: a@b?c"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn a_masked_text_is_as_long_as_before() {
        let line = "location: \"https://me:ä@host/x?sig=y\"  # here";
        assert_eq!(masked(line), "location: \"https://******host/x******\"  # here");
        assert_eq!(masked(line).len(), line.len());
    }
}
