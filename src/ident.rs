//! Checked names: what a table, a pipeline, a column or an attempt may be called.
//!
//! **Invariant:** a value of these types is safe in a path, a URL and SQL without quoting.
//! Text becomes a name once, at the door; inside the program there are no unchecked names.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name accepted, in bytes: what PostgreSQL and most BI tools keep of an identifier.
pub const MAX_NAME_LENGTH: usize = 63;

/// A text that cannot be a name, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing was given.
    #[error("a name cannot be empty")]
    Empty,
    /// More than [`MAX_NAME_LENGTH`] bytes.
    #[error("a name has at most {MAX_NAME_LENGTH} characters, this one has {length}")]
    TooLong {
        /// How long the text is, in bytes.
        length: usize,
    },
    /// A character that would need quoting or would leave a folder.
    #[error("`{text}` is not a name: use lower-case letters, digits and `_`, starting with a letter")]
    Character {
        /// The text as given.
        text: String,
    },
}

fn checked(text: &str) -> Result<Arc<str>, InvalidName> {
    if text.is_empty() {
        return Err(InvalidName::Empty);
    }
    if text.len() > MAX_NAME_LENGTH {
        return Err(InvalidName::TooLong { length: text.len() });
    }
    let follows = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
    if starts && text.chars().all(follows) {
        Ok(Arc::from(text))
    } else {
        Err(InvalidName::Character { text: text.to_owned() })
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and makes it a name.
            ///
            /// # Errors
            ///
            /// Returns why the text cannot be a name.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                checked(text).map(Self)
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.to_string()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The name of a source or a model: a node of the graph and, if published, a table.
    NodeName
}

name! {
    /// The name of a pipeline; a table belongs to the pipeline that first published it.
    PipelineName
}

name! {
    /// The name of a parameter, written `$name` in SQL.
    VariableName
}

/// One try of a run to publish: the folder its files lie in, never used twice.
///
/// Made at the program's edge from the time and random bits; here only checked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttemptId(Arc<str>);

impl AttemptId {
    /// Checks `text`: lower-case letters, digits and `-`, at most [`MAX_NAME_LENGTH`].
    ///
    /// # Errors
    ///
    /// Returns why the text cannot be an attempt.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        if text.len() > MAX_NAME_LENGTH {
            return Err(InvalidName::TooLong { length: text.len() });
        }
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.chars().all(fits) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(InvalidName::Character { text: text.to_owned() })
        }
    }

    /// The attempt as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AttemptId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<AttemptId> for String {
    fn from(attempt: AttemptId) -> Self {
        attempt.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_or_a_quote_is_no_name() {
        for text in ["../orders", "a/b", "a.b", "a b", "a\"b", "A", "1a", "_a", "ä"] {
            assert!(matches!(NodeName::parse(text), Err(InvalidName::Character { .. })), "{text}");
        }
    }

    #[test]
    fn sixty_three_characters_are_the_limit() {
        assert!(NodeName::parse(&"a".repeat(63)).is_ok());
        assert_eq!(NodeName::parse(&"a".repeat(64)), Err(InvalidName::TooLong { length: 64 }));
    }
}
