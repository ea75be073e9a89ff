//! Checked relative paths inside a store.

use std::fmt;
use std::sync::Arc;

use object_store::path::Path;
use serde::{Deserialize, Serialize};

/// A path inside a store, in segments joined by `/`.
///
/// **Invariant:** relative, no empty, `.` or `..` segment, no control character, no backslash:
/// no key leaves the store it is used with. The empty key, [`Key::root`], is the store itself
/// and is only good for listing and joining.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(Arc<str>);

/// A text that cannot be a key, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a path inside the store: {reason}")]
pub struct InvalidKey {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Key {
    /// Checks `text` and makes it a key.
    ///
    /// # Errors
    ///
    /// Returns why the text cannot be a key.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        match problem(text) {
            None => Ok(Self(Arc::from(text))),
            Some(reason) => Err(InvalidKey { text: text.to_owned(), reason }),
        }
    }

    /// The store itself.
    #[must_use]
    pub fn root() -> Self {
        Self(Arc::from(""))
    }

    /// The key `text` below this one.
    ///
    /// # Errors
    ///
    /// Returns why `text` cannot be a key.
    pub fn join(&self, text: &str) -> Result<Self, InvalidKey> {
        let below = Self::parse(text)?;
        Ok(self.join_key(&below))
    }

    /// The key `below`, seen from this one.
    #[must_use]
    pub fn join_key(&self, below: &Self) -> Self {
        if self.0.is_empty() {
            return below.clone();
        }
        if below.0.is_empty() {
            return self.clone();
        }
        Self(Arc::from(format!("{}/{}", self.0, below.0)))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment; empty for the root.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The key of the folder this key lies in; the root's folder is the root.
    #[must_use]
    pub fn folder(&self) -> Self {
        Self(Arc::from(self.0.rsplit_once('/').map_or("", |(folder, _)| folder)))
    }

    /// This key seen from `folder`, if it lies below it.
    #[must_use]
    pub fn below(&self, folder: &Self) -> Option<Self> {
        if folder.0.is_empty() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(&*folder.0)?.strip_prefix('/')?;
        Some(Self(Arc::from(rest)))
    }

    pub(super) fn from_listing(path: &Path) -> Result<Self, InvalidKey> {
        Self::parse(path.as_ref())
    }

    pub(super) fn to_path(&self) -> Result<Path, InvalidKey> {
        Path::parse(&*self.0)
            .map_err(|_| InvalidKey { text: self.0.to_string(), reason: "the store refuses it" })
    }
}

fn problem(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.starts_with('/') {
        return Some("it is absolute");
    }
    if text.contains('\\') || text.chars().any(char::is_control) {
        return Some("it has a backslash or a control character");
    }
    let bad = |segment: &str| matches!(segment, "" | "." | "..");
    text.split('/').any(bad).then_some("it has an empty, `.` or `..` segment")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Key {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        Self::parse(&text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_leaves_its_store() {
        for text in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/.", "a\\b", "a/\0", "a\nb", "a/"] {
            assert!(Key::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_key_is_a_path_of_the_store_unchanged() {
        for text in ["a", "a/b.parquet", "with blank/ä=1/x%20y", "date=2020-01-01/part.parquet"] {
            let path = Key::parse(text).unwrap().to_path().unwrap();
            assert_eq!(path.as_ref(), text);
        }
    }

    #[test]
    fn folder_name_and_rest_take_a_key_apart() {
        let key = Key::parse("a/b/c").unwrap();
        assert_eq!(key.folder().as_str(), "a/b");
        assert_eq!(key.file_name(), "c");
        assert_eq!(key.below(&Key::parse("a").unwrap()).unwrap().as_str(), "b/c");
        assert_eq!(Key::parse("ab/c").unwrap().below(&Key::parse("a").unwrap()), None);
        assert_eq!(Key::root().join("x").unwrap().folder(), Key::root());
    }
}
