//! The clients of the clouds' stores, as the environment says.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector, SpawnedReqwestConnector,
};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::limit::LimitStore;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, Certificate, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};

use super::access::Access;
use super::location::{Cloud, Location};
use super::{StoreError, local};

/// How many requests to one store are under way at once; more wait for their turn.
const REQUESTS: usize = 48;

/// One request that takes longer has failed; parts are 8 MiB, so this is for the slowest lines.
const REQUEST_TIMEOUT: &str = "60s";

/// A connection that takes longer has failed.
const CONNECT_TIMEOUT: &str = "10s";

/// The client of the store at `location`.
pub(super) fn client(
    cloud: Cloud,
    location: &Location,
    access: &Access,
) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let built = match cloud {
        Cloud::Amazon => amazon(location, access),
        Cloud::Azure => azure(location, access),
        Cloud::Google => google(location, access),
    };
    let client = built.map_err(|cause| match cause {
        Unusable::Client(cause) => unusable(location, &cause),
        Unusable::Setting(cause) => cause,
    })?;
    Ok(Arc::new(PrefixStore::new(client, location.prefix.clone())))
}

/// Why there is no client.
enum Unusable {
    Client(object_store::Error),
    Setting(StoreError),
}

impl From<object_store::Error> for Unusable {
    fn from(cause: object_store::Error) -> Self {
        Self::Client(cause)
    }
}

impl From<StoreError> for Unusable {
    fn from(cause: StoreError) -> Self {
        Self::Setting(cause)
    }
}

type Built = Result<Arc<dyn ObjectStore>, Unusable>;

fn amazon(location: &Location, access: &Access) -> Built {
    let mut builder = AmazonS3Builder::new()
        .with_client_options(options(access, "AWS_CA_BUNDLE")?)
        .with_retry(retry(access))
        .with_http_connector(Connector(connector(access)));
    for (key, value) in access.variables("AWS_") {
        if let Ok(key) = key.parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    // What the location says counts, whatever AWS_BUCKET may hold.
    let builder = builder.with_bucket_name(location.url.host_str().unwrap_or_default());
    Ok(Arc::new(LimitStore::new(builder.build()?, REQUESTS)))
}

fn azure(location: &Location, access: &Access) -> Built {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_client_options(options(access, "GOODWILL_CA_BUNDLE")?)
        .with_retry(retry(access))
        .with_http_connector(Connector(connector(access)));
    for (key, value) in access.variables("AZURE_") {
        if let Ok(key) = key.parse::<AzureConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = access.variable("IDENTITY_ENDPOINT") {
        builder = builder.with_msi_endpoint(endpoint);
    }
    Ok(Arc::new(LimitStore::new(builder.with_url(location.url.as_str()).build()?, REQUESTS)))
}

fn google(location: &Location, access: &Access) -> Built {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_client_options(options(access, "GOODWILL_CA_BUNDLE")?)
        .with_retry(retry(access))
        .with_http_connector(Connector(connector(access)));
    if let Some(path) = access.variable("SERVICE_ACCOUNT") {
        builder = builder.with_service_account_path(path);
    }
    for (key, value) in access.variables("GOOGLE_") {
        if let Ok(key) = key.parse::<GoogleConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let bucket = location.url.host_str().unwrap_or_default();
    Ok(Arc::new(LimitStore::new(builder.with_bucket_name(bucket).build()?, REQUESTS)))
}

/// The variables that name another server.
const ENDPOINTS: [&str; 6] = [
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AZURE_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
    "GOOGLE_BASE_URL",
];

/// Time-outs, and the authorities the environment adds to those of the system.
///
/// Proxies (`HTTPS_PROXY`, `NO_PROXY`) and `SSL_CERT_FILE` are read by the HTTP client itself.
fn options(access: &Access, own: &'static str) -> Result<ClientOptions, StoreError> {
    // Whoever writes http:// means it.
    let means_http = |name: &str| access.variable(name).is_some_and(|url| url.starts_with("http://"));
    let mut options = ClientOptions::new()
        .with_allow_http(ENDPOINTS.iter().any(|name| means_http(name)))
        .with_config(ClientConfigKey::Timeout, REQUEST_TIMEOUT)
        .with_config(ClientConfigKey::ConnectTimeout, CONNECT_TIMEOUT);
    for name in [own, "GOODWILL_CA_BUNDLE"] {
        let Some(path) = access.variable(name) else { continue };
        let setting = |reason: String| StoreError::Setting { name, reason };
        let pem = local::read(path.as_ref()).map_err(|cause| setting(cause.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem);
        for certificate in certificates.map_err(|_| setting("it holds no certificates".to_owned()))? {
            options = options.with_root_certificate(certificate);
        }
        break;
    }
    Ok(options)
}

/// Waits grow from a tenth of a second to fifteen, each a random part of that, until patience ends.
fn retry(access: &Access) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: std::time::Duration::from_millis(100),
            max_backoff: std::time::Duration::from_secs(15),
            base: 2.,
        },
        max_retries: usize::MAX,
        retry_timeout: access.patience(),
    }
}

fn connector(access: &Access) -> Arc<dyn HttpConnector> {
    let plain: Arc<dyn HttpConnector> = match access.threads() {
        Some(threads) => Arc::new(SpawnedReqwestConnector::new(threads.clone())),
        None => Arc::new(ReqwestConnector::default()),
    };
    match access.faults() {
        Some(faults) => Arc::new(faults.connector(plain)),
        None => plain,
    }
}

/// The builders take a connector by value.
#[derive(Debug)]
struct Connector(Arc<dyn HttpConnector>);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(QuickToMissCredentials(self.0.connect(options)?)))
    }
}

/// What is said where neither the environment nor the machine grants anything.
pub(super) const NO_CREDENTIALS: &str = "there are no credentials";

/// Where machines of the clouds ask for credentials.
const METADATA_HOSTS: [&str; 3] = ["169.254.169.254", "169.254.170.2", "metadata.google.internal"];

/// Machines outside a cloud have no metadata service: whoever forgot the credentials is told at
/// once, not after the patience that stores deserve.
#[derive(Debug)]
struct QuickToMissCredentials(HttpClient);

#[async_trait]
impl HttpService for QuickToMissCredentials {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let host = request.uri().host().unwrap_or_default();
        if !METADATA_HOSTS.contains(&host) {
            return self.0.execute(request).await;
        }
        let absent = || HttpError::new(HttpErrorKind::Unknown, std::io::Error::other(NO_CREDENTIALS));
        match self.0.execute(request).await {
            // Some machines answer there, and have no role to give.
            Ok(answer) if answer.status().is_client_error() => Err(absent()),
            Ok(answer) => Ok(answer),
            Err(_) => Err(absent()),
        }
    }
}

fn unusable(location: &Location, cause: &object_store::Error) -> StoreError {
    StoreError::InvalidLocation { location: location.url.to_string(), reason: super::error::said(cause) }
}
