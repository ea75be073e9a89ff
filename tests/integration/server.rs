//! An S3 server of our own: s3s-fs in this process, one for all tests, a bucket for each.
//!
//! Objects are files below [`Bucket::folder`], written whole and then renamed: tests look at those.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::program::Project;
use crate::s3;

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
        let address = s3::start(home.folder());
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
        s3::environment(self.address)
    }

    /// The address of what lies at `path` in it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("s3://{}/{path}", self.name)
    }
}
