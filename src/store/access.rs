//! What a process brings to its stores: credentials, patience, and threads for requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::runtime::Handle;

use super::StoreError;
use super::faults::Faults;

/// How long a request is tried again before the store is said not to answer.
const PATIENCE: Duration = Duration::from_mins(3);

/// The variable that says it otherwise, such as `45s` or `5m`.
const PATIENCE_VARIABLE: &str = "GOODWILL_STORE_PATIENCE";

/// The variable of test builds that asks for faults.
const FAULTS_VARIABLE: &str = "GOODWILL_STORE_FAULTS";

/// What a process brings to its stores. Cheap to clone; never printed, for it holds secrets.
///
/// The clouds' own variables count (`AWS_…`, `AZURE_…`, `GOOGLE_…`), as docs/stores.md lists them.
#[derive(Clone)]
pub struct Access {
    environment: Arc<BTreeMap<String, String>>,
    threads: Option<Handle>,
    patience: Duration,
    faults: Option<Faults>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Access {
    /// What `environment` grants. Requests run on the runtime this is called in, so that plans
    /// that keep their threads busy do not hold them up.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::Setting`] if a variable of ours cannot be understood.
    pub fn of(environment: &BTreeMap<String, String>) -> Result<Self, StoreError> {
        let patience = match environment.get(PATIENCE_VARIABLE) {
            Some(text) => patience(text)?,
            None => PATIENCE,
        };
        let faults = environment.get(FAULTS_VARIABLE).filter(|_| fail::has_failpoints());
        Ok(Self {
            environment: Arc::new(environment.clone()),
            threads: Handle::try_current().ok(),
            patience,
            faults: faults.map(|text| Faults::parse(text)).transpose()?,
        })
    }

    /// Nothing: enough for folders of this machine.
    #[must_use]
    pub fn to_folders() -> Self {
        Self { environment: Arc::default(), threads: None, patience: PATIENCE, faults: None }
    }

    /// The variables whose names start with `prefix`, in lower case.
    pub(super) fn variables(&self, prefix: &str) -> impl Iterator<Item = (String, &str)> {
        let all = self.environment.iter().filter(move |(name, _)| name.starts_with(prefix));
        all.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
    }

    /// The value of a variable that is set to something.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The threads requests run on.
    pub(super) const fn threads(&self) -> Option<&Handle> {
        self.threads.as_ref()
    }

    /// How long a request is tried again.
    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// The faults asked for; none outside test builds.
    pub(super) const fn faults(&self) -> Option<&Faults> {
        self.faults.as_ref()
    }
}

fn patience(text: &str) -> Result<Duration, StoreError> {
    let read = text.parse::<SignedDuration>().ok().and_then(|read| Duration::try_from(read).ok());
    read.filter(|read| !read.is_zero()).ok_or_else(|| StoreError::Setting {
        name: PATIENCE_VARIABLE,
        reason: "it is no length of time such as `45s` or `5m`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: &str) -> Result<Access, StoreError> {
        Access::of(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn patience_is_read_and_nonsense_is_refused() {
        assert_eq!(of(PATIENCE_VARIABLE, "45s").expect("a length").patience(), Duration::from_secs(45));
        assert_eq!(of(PATIENCE_VARIABLE, "5m").expect("a length").patience(), Duration::from_mins(5));
        for nonsense in ["", "0s", "-3s", "soon", "5"] {
            assert!(of(PATIENCE_VARIABLE, nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn what_it_holds_is_never_printed() {
        let access = of("AWS_SECRET_ACCESS_KEY", "canary").expect("an access");
        assert!(!format!("{access:?}").contains("canary"));
    }
}
