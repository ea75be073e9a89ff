//! Where a store lies, read from what a person wrote.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use object_store::path::Path;
use url::Url;

use super::{Key, StoreError, local};

/// A location, understood.
#[derive(Debug, Clone)]
pub(super) struct Location {
    pub(super) place: Place,
    /// The address, ending in `/`.
    pub(super) url: Url,
    /// Where in the client's store it begins.
    pub(super) prefix: Path,
}

/// What kind of store it is, where that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Folder(Arc<FilePath>),
    Bucket(Cloud),
}

/// Whose bucket it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cloud {
    Amazon,
    Azure,
    Google,
}

impl Cloud {
    fn of_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "s3" | "s3a" => Some(Self::Amazon),
            "az" | "azure" | "adl" | "abfs" | "abfss" => Some(Self::Azure),
            "gs" => Some(Self::Google),
            _ => None,
        }
    }

    /// What its users call a bucket.
    pub(super) const fn bucket(self) -> &'static str {
        match self {
            Self::Azure => "container",
            Self::Amazon | Self::Google => "bucket",
        }
    }
}

impl Location {
    /// Understands `text`, a path seen from `base` or a URL.
    pub(super) fn parse(text: &str, base: &FilePath) -> Result<Self, StoreError> {
        let invalid = |reason: &str| refused(text, reason);
        if text.is_empty() {
            return Err(invalid("it is empty"));
        }
        if !text.contains("://") {
            return Self::folder(text, &PathBuf::from(text), base);
        }
        let url = Url::parse(text).map_err(|cause| invalid(&cause.to_string()))?;
        match (url.scheme(), Cloud::of_scheme(url.scheme())) {
            ("file", _) => {
                let path = url.to_file_path().map_err(|()| invalid("it is not a path of this machine"))?;
                Self::folder(text, &path, base)
            }
            (_, Some(cloud)) => Self::bucket(text, url, cloud),
            _ => Err(invalid("use a path, or a URL with file://, s3://, az:// or gs://")),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "every store is made here, of a folder and never a file")]
    fn folder(text: &str, path: &FilePath, base: &FilePath) -> Result<Self, StoreError> {
        let invalid = |reason: String| refused(text, &reason);
        let root = local::resolve(path, base).map_err(|cause| invalid(cause.to_string()))?;
        if root.is_file() {
            return Err(invalid("it is a file, not a folder".to_owned()));
        }
        let url = Url::from_directory_path(&root);
        let url = url.map_err(|()| invalid("it cannot be written as a URL".to_owned()))?;
        let prefix = Path::from_absolute_path(&root).map_err(|cause| invalid(cause.to_string()))?;
        Ok(Self { place: Place::Folder(Arc::from(root)), url, prefix })
    }

    fn bucket(text: &str, mut url: Url, cloud: Cloud) -> Result<Self, StoreError> {
        let invalid = |reason: &str| refused(text, reason);
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid(
                "it has a `?` or a `#`: credentials come from the environment, not from URLs",
            ));
        }
        // Hadoop's way to name an Azure container, `abfss://container@account.dfs.core.windows.net/`.
        let named_account = matches!(url.scheme(), "abfs" | "abfss");
        if url.password().is_some() || (!url.username().is_empty() && !named_account) {
            return Err(invalid("it holds a user or a password: credentials come from the environment"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(invalid(&format!("it names no {}", cloud.bucket())));
        }
        if url.port().is_some() {
            return Err(invalid("it has a port: another endpoint is set by a variable, see docs/stores.md"));
        }
        let path = url.path().trim_matches('/').to_owned();
        let prefix = Path::from_url_path(&path).map_err(|cause| invalid(&cause.to_string()))?;
        if !prefix.as_ref().is_empty() {
            Key::parse(prefix.as_ref()).map_err(|cause| invalid(cause.reason))?;
        }
        url.set_path(&if path.is_empty() { "/".to_owned() } else { format!("/{path}/") });
        Ok(Self { place: Place::Bucket(cloud), url, prefix })
    }
}

fn refused(text: &str, reason: &str) -> StoreError {
    StoreError::InvalidLocation { location: without_secrets(text), reason: reason.to_owned() }
}

/// The location without what may be a secret: what stands before `@`, or after `?` or `#`.
fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    let slash = if rest.contains('/') { "/" } else { "" };
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://…@{host}{slash}{path}"),
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(text: &str) -> (String, String) {
        let location = Location::parse(text, FilePath::new("/")).expect(text);
        assert!(matches!(location.place, Place::Bucket(_)), "{text}");
        (location.url.to_string(), location.prefix.to_string())
    }

    #[test]
    fn buckets_are_read_with_and_without_a_prefix() {
        let is = |url: &str, prefix: &str| (url.to_owned(), prefix.to_owned());
        assert_eq!(bucket("s3://acme"), is("s3://acme/", ""));
        assert_eq!(bucket("s3://acme/a b/c"), is("s3://acme/a%20b/c/", "a b/c"));
        assert_eq!(bucket("gs://acme/x//"), is("gs://acme/x/", "x"));
        let azure = "abfss://data@acme.dfs.core.windows.net/x";
        assert_eq!(bucket(azure), is("abfss://data@acme.dfs.core.windows.net/x/", "x"));
    }

    #[test]
    fn a_secret_in_a_location_is_refused_and_not_repeated() {
        let locations = [
            "s3://key:canary@acme/x",
            "s3://canary@acme",
            "s3://acme/x?sig=canary",
            "gs://acme/x#canary",
            "https://user:canary@host/x",
            "az://acme:canary@x/y",
        ];
        for location in locations {
            let error = Location::parse(location, FilePath::new("/")).expect_err(location);
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn what_is_no_location_is_refused() {
        for text in
            ["", "ftp://x/y", "s3://", "s3:///x", "s3://acme:9000/x", "s3://acme/%2e%2e%2fx", "s3://a/b//c"]
        {
            assert!(Location::parse(text, FilePath::new("/")).is_err(), "{text}");
        }
    }
}
