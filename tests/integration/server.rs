//! An S3 server of our own: s3s-fs in this process, one for all tests, a bucket for each.
//!
//! It looks whether an object is there and then writes it, so requests that change something
//! take turns; and it reads a request's whole body before it may refuse it. Objects are files
//! below [`Bucket::folder`], written whole and then renamed: tests look at those.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpResponse};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::program::Project;

/// The key the server knows.
pub(crate) const KEY: &str = "goodwill-test";

/// Its secret.
pub(crate) const SECRET: &str = "only-for-tests";

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    home: Project,
    address: SocketAddr,
    buckets: AtomicU64,
}

/// A bucket of a test's own.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    /// Where its objects lie as files.
    pub(crate) folder: PathBuf,
    address: SocketAddr,
}

/// The server of all tests.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let home = Project::shared();
        let address = start(home.folder());
        Server { home, address, buckets: AtomicU64::new(0) }
    })
}

impl Server {
    /// A new and empty bucket.
    pub(crate) fn bucket(&self) -> Bucket {
        let name = format!("test-{}", self.buckets.fetch_add(1, Ordering::SeqCst));
        let folder = self.home.folder().join(&name);
        fs::create_dir(&folder).unwrap();
        Bucket { name, folder, address: self.address }
    }
}

impl Bucket {
    /// The variables a program needs to use it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let variables = [
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// The address of what lies at `path` in it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("s3://{}/{path}", self.name)
    }
}

fn start(folder: &Path) -> SocketAddr {
    let files = s3s_fs::FileSystem::new(folder).unwrap();
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
    let service = builder.build();
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let turn = Arc::new(Mutex::new(()));
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (service, turn) = (service.clone(), Arc::clone(&turn));
                tokio::spawn(async move {
                    let answer =
                        service_fn(move |request| answer(service.clone(), Arc::clone(&turn), request));
                    // A client that is killed breaks its connection.
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
    });
    told.recv().unwrap()
}

async fn answer(
    service: S3Service,
    turn: Arc<Mutex<()>>,
    request: Request<Incoming>,
) -> Result<HttpResponse, s3s::HttpError> {
    let (head, body) = request.into_parts();
    let changes = !matches!(head.method, Method::GET | Method::HEAD);
    let Ok(body) = body.collect().await else {
        // Its sender died: nobody hears an answer, and nothing may be done by half.
        let gone = http::Response::builder().status(400).body(Body::empty());
        return Ok(gone.unwrap());
    };
    let request = Request::from_parts(head, Body::from(body.to_bytes()));
    let _turn = if changes { Some(turn.lock().await) } else { None };
    service.call(request).await
}
