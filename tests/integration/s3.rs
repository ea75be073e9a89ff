//! An S3 server in this process: s3s-fs over a folder, each bucket a folder, each object a file.
//!
//! It looks whether an object is there and then writes it, so requests that change something
//! take turns; and it reads a request's whole body before it may refuse it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
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

/// The variables a program needs to use the server at `address`.
pub(crate) fn environment(address: SocketAddr) -> Vec<(String, String)> {
    let variables = [
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// The key the server knows.
const KEY: &str = "goodwill-test";

/// Its secret.
const SECRET: &str = "only-for-tests";

/// Starts a server over `folder`; it ends with the process.
pub(crate) fn start(folder: &Path) -> SocketAddr {
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
