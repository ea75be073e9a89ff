//! Faults below the clouds' clients, for tests: what networks and stores do on bad days.
//!
//! Asked for by `GOODWILL_STORE_FAULTS` in test builds, such as
//! `seed=7 latency=50ms 503=0.1 lost=0.5@PUT:_goodwill/commits`: words in any order, each a kind
//! with the share of requests it meets, and after `@` only those of a method whose URL holds a
//! text. The same seed rolls the same dice; which request meets which roll is up to the threads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use jiff::SignedDuration;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::StoreError;

/// What happens to requests.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    latency: Duration,
    hang: Duration,
    /// After so many requests the credentials have expired.
    expires_after: Option<u64>,
    rules: Arc<[Rule]>,
    seed: u64,
}

#[derive(Debug, Clone)]
struct Rule {
    kind: Kind,
    share: f64,
    method: String,
    holds: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The connection breaks before the request is sent.
    Reset,
    /// The store is busy and does nothing.
    Busy,
    /// The store says 409 and does nothing.
    Conflict,
    /// The request is done and its answer lost.
    Lost,
    /// There is no answer until a time-out.
    Hang,
    /// The answer's body ends early, with or without an error.
    Cut,
    /// The answer is what the same request was told before.
    Stale,
    /// A listing tells its first object twice.
    Repeated,
}

impl Faults {
    /// Reads what is asked for.
    pub(super) fn parse(text: &str) -> Result<Self, StoreError> {
        let mut faults = Self {
            latency: Duration::ZERO,
            hang: Duration::from_secs(2),
            expires_after: None,
            rules: Arc::from([]),
            seed: 0,
        };
        let mut rules = Vec::new();
        for word in text.split_whitespace() {
            let invalid = || invalid(word);
            let (name, value) = word.split_once('=').ok_or_else(invalid)?;
            let length = || {
                let read = value.parse::<SignedDuration>().ok();
                read.and_then(|read| Duration::try_from(read).ok()).ok_or_else(invalid)
            };
            match name {
                "seed" => faults.seed = value.parse().map_err(|_| invalid())?,
                "latency" => faults.latency = length()?,
                "hang_for" => faults.hang = length()?,
                "expires_after" => faults.expires_after = Some(value.parse().map_err(|_| invalid())?),
                _ => rules.push(Rule::parse(name, value).ok_or_else(invalid)?),
            }
        }
        Ok(Self { rules: rules.into(), ..faults })
    }

    /// `plain`, with these faults.
    pub(super) fn connector(&self, plain: Arc<dyn HttpConnector>) -> Faulty {
        Faulty { faults: self.clone(), plain }
    }
}

impl Rule {
    fn parse(name: &str, value: &str) -> Option<Self> {
        let kind = match name {
            "reset" => Kind::Reset,
            "503" => Kind::Busy,
            "409" => Kind::Conflict,
            "lost" => Kind::Lost,
            "hang" => Kind::Hang,
            "cut" => Kind::Cut,
            "stale" => Kind::Stale,
            "repeated" => Kind::Repeated,
            _ => return None,
        };
        let (share, target) = value.split_once('@').unwrap_or((value, ""));
        let (method, holds) = target.split_once(':').unwrap_or((target, ""));
        let share = share.parse().ok().filter(|share| (0. ..=1.).contains(share))?;
        Some(Self { kind, share, method: method.to_owned(), holds: holds.to_owned() })
    }

    fn meets(&self, request: &HttpRequest) -> bool {
        let method = self.method.is_empty() || self.method == request.method().as_str();
        method && request.uri().to_string().contains(&self.holds)
    }
}

fn invalid(word: &str) -> StoreError {
    StoreError::Setting { name: "GOODWILL_STORE_FAULTS", reason: format!("`{word}` cannot be understood") }
}

/// Connects to a store with faults in between.
#[derive(Debug)]
pub(super) struct Faulty {
    faults: Faults,
    plain: Arc<dyn HttpConnector>,
}

impl HttpConnector for Faulty {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self.plain.connect(options)?;
        Ok(HttpClient::new(Service {
            dice: Mutex::new(ChaCha8Rng::seed_from_u64(self.faults.seed)),
            faults: self.faults.clone(),
            client,
            sent: AtomicU64::new(0),
            told: Mutex::default(),
        }))
    }
}

struct Service {
    faults: Faults,
    client: HttpClient,
    dice: Mutex<ChaCha8Rng>,
    sent: AtomicU64,
    /// What listings were told last.
    told: Mutex<BTreeMap<String, Bytes>>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}

impl Service {
    /// The fault this request meets.
    fn roll(&self, request: &HttpRequest) -> Option<Kind> {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let mut met = self.faults.rules.iter().filter(|rule| rule.meets(request));
        met.find(|rule| dice.random::<f64>() < rule.share).map(|rule| rule.kind)
    }

    fn coin(&self) -> bool {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).random()
    }

    fn has_expired(&self) -> bool {
        let sent = self.sent.fetch_add(1, Ordering::Relaxed);
        self.faults.expires_after.is_some_and(|limit| sent >= limit)
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if !self.faults.latency.is_zero() {
            tokio::time::sleep(self.faults.latency).await;
        }
        if self.has_expired() {
            return answer(400, "ExpiredToken", "The provided token has expired.");
        }
        let kind = self.roll(&request);
        if let Some(kind) = kind {
            tracing::debug!(?kind, method = %request.method(), "fault");
        }
        match kind {
            None => self.client.execute(request).await,
            Some(Kind::Reset) => Err(failure(HttpErrorKind::Connect)),
            Some(Kind::Busy) => answer(503, "SlowDown", "Please reduce your request rate."),
            Some(Kind::Conflict) => {
                answer(409, "ConditionalRequestConflict", "A conflicting operation occurred.")
            }
            Some(Kind::Lost) => {
                self.client.execute(request).await?;
                Err(failure(HttpErrorKind::Interrupted))
            }
            Some(Kind::Hang) => {
                tokio::time::sleep(self.faults.hang).await;
                Err(failure(HttpErrorKind::Timeout))
            }
            Some(Kind::Cut) => {
                let (parts, body) = self.client.execute(request).await?.into_parts();
                let body = body.bytes().await?;
                let kept = body.slice(..body.len() / 2);
                let end = if self.coin() { None } else { Some(Err(failure(HttpErrorKind::Interrupted))) };
                let frames = stream::iter(std::iter::once(Ok(Frame::data(kept))).chain(end));
                Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(StreamBody::new(frames))))
            }
            Some(kind @ (Kind::Stale | Kind::Repeated)) => {
                let url = request.uri().to_string();
                let (parts, body) = self.client.execute(request).await?.into_parts();
                let body = body.bytes().await?;
                if !url.contains("list") {
                    return Ok(HttpResponse::from_parts(parts, body.into()));
                }
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                let before = told.insert(url, body.clone());
                let body = if kind == Kind::Stale { before.unwrap_or(body) } else { repeated(&body) };
                Ok(HttpResponse::from_parts(parts, body.into()))
            }
        }
    }
}

/// A listing of S3 with its first object told twice.
fn repeated(body: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(body);
    let end = "</Contents>";
    let first = text.find("<Contents>").zip(text.find(end));
    match first {
        Some((from, to)) => {
            let to = to + end.len();
            Bytes::from(format!("{}{}", &text[..to], &text[from..]))
        }
        None => body.clone(),
    }
}

fn answer(status: u16, code: &str, message: &str) -> Result<HttpResponse, HttpError> {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    let built = http::Response::builder().status(status).body(HttpResponseBody::from(Bytes::from(body)));
    built.map_err(|cause| HttpError::new(HttpErrorKind::Unknown, cause))
}

fn failure(kind: HttpErrorKind) -> HttpError {
    HttpError::new(kind, std::io::Error::other("a fault that was asked for"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood_whole_or_refused() {
        let faults = Faults::parse("seed=7 latency=50ms 503=0.1 lost=1@PUT:commits").expect("faults");
        assert_eq!((faults.seed, faults.latency), (7, Duration::from_millis(50)));
        assert_eq!((faults.rules[1].method.as_str(), faults.rules[1].holds.as_str()), ("PUT", "commits"));
        for text in ["seed", "seed=x", "503=2", "sometimes=0.1", "latency=-1s"] {
            assert!(Faults::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_object_is_told_twice() {
        let page = Bytes::from("<L><Contents>a</Contents><Contents>b</Contents></L>");
        let expected = "<L><Contents>a</Contents><Contents>a</Contents><Contents>b</Contents></L>";
        assert_eq!(repeated(&page), Bytes::from(expected));
    }
}
