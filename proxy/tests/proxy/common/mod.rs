//! An origin that says what it was asked, and a proxy in front of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use larder_proxy::{Configuration, Proxy, admin, body::Body, listener};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What an origin was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A server that answers as a closure says.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Origin {
    pub(crate) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Asked) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let told = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, told) = (answer.clone(), Arc::clone(&told));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (answer, told) = (answer.clone(), Arc::clone(&told));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body =
                            body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                        let asked = Asked {
                            method: parts.method.to_string(),
                            target: parts.uri.to_string(),
                            headers: parts.headers,
                            body,
                        };
                        told.lock().unwrap().push(asked.clone());
                        Ok::<_, Infallible>(answer(asked).await)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, asked }
    }

    /// Answers each request with these fields and its own number, counted from 1.
    pub(crate) async fn counting(fields: &'static [(&'static str, &'static str)]) -> Self {
        let count = Arc::new(Mutex::new(0));
        Self::start(move |_| {
            let mut count = count.lock().unwrap();
            *count += 1;
            let answer = answer(fields, &count.to_string());
            async move { answer }
        })
        .await
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// A 200 with these fields and this body.
pub(crate) fn answer(fields: &[(&'static str, &str)], body: &str) -> Response<Body> {
    let mut answer = Response::builder();
    for (name, value) in fields {
        answer = answer.header(*name, *value);
    }
    answer.body(larder_proxy::body::full(body.to_owned())).unwrap()
}

/// A proxy that listens, until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) proxy: Proxy,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// In front of this origin, with `[routes.all]` and whatever else these settings say.
    pub(crate) async fn start(origin: SocketAddr, settings: &[(&str, &str)]) -> Self {
        Self::until(origin, settings, std::future::pending()).await
    }

    /// The same, with settings that are lists.
    pub(crate) async fn with(
        origin: SocketAddr,
        settings: &[(&str, &str)],
        lists: &[(&str, &[&str])],
    ) -> Self {
        Self::run(configured_with(origin, settings, lists), std::future::pending()).await
    }

    /// The same, until something happens.
    pub(crate) async fn until(
        origin: SocketAddr,
        settings: &[(&str, &str)],
        end: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self::run(configured(origin, settings), end).await
    }

    async fn run(
        (larder, configuration): (larder::Larder, Configuration),
        end: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let proxy = Proxy::new(&larder, &configuration).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = proxy.clone();
        let task = tokio::spawn(async move {
            listener::serve(listener, served, end).await;
            drop(larder);
        });
        Self { address, proxy, task }
    }

    /// Until it has ended.
    pub(crate) async fn ended(mut self) {
        timeout(PATIENCE, &mut self.task).await.unwrap().unwrap();
    }

    /// Asks for a path.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path)).await
    }

    /// Asks for a path with these fields.
    pub(crate) async fn get_with(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.ask(request).await
    }

    /// Asks without a body. A path is completed to an URL.
    pub(crate) async fn ask(&self, request: http::request::Builder) -> Answer {
        self.ask_with(request, Bytes::new()).await
    }

    pub(crate) async fn ask_with(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Answer {
        ask_at(self.address, request, body).await
    }

    /// The address of a listener for operators, which reloads so.
    pub(crate) async fn admin(
        &self,
        reload: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(admin::serve(listener, self.proxy.clone(), reload));
        address
    }

    /// Sends these bytes, and gives back what comes until the proxy closes the connection.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read_all(&mut stream).await
    }
}

/// Asks whoever listens there. A path is completed to an URL.
pub(crate) async fn ask_at(
    address: SocketAddr,
    request: http::request::Builder,
    body: impl Into<Bytes>,
) -> Answer {
    let mut request = request.body(Full::new(body.into())).unwrap();
    let url = format!("http://{address}{}", request.uri());
    *request.uri_mut() = url.parse().unwrap();
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = timeout(PATIENCE, client.request(request)).await.unwrap().unwrap();
    let (parts, body) = answer.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What comes until the connection is closed.
pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let so_far = String::from_utf8_lossy(&answer).into_owned();
    assert!(read.is_ok(), "the connection is still open; so far: {so_far}");
    so_far
}

/// What is configured for an origin, and these settings over it.
pub(crate) fn configured(origin: SocketAddr, settings: &[(&str, &str)]) -> (larder::Larder, Configuration) {
    configured_with(origin, settings, &[])
}

pub(crate) fn configured_with(
    origin: SocketAddr,
    settings: &[(&str, &str)],
    lists: &[(&str, &[&str])],
) -> (larder::Larder, Configuration) {
    let folder = tempfile::tempdir().unwrap();
    Configuration::load(None, |builder| {
        let mut builder = builder
            .directory(folder.path())
            .environment(Vec::<(String, String)>::new())
            .set("upstreams.origin.addresses", [format!("http://{origin}")])
            .set("routes.all.upstream", "origin");
        for (key, value) in lists {
            builder = builder.set(*key, *value);
        }
        for (key, value) in settings {
            builder = match value.parse::<u64>() {
                Ok(number) => builder.set(*key, number),
                Err(_) if matches!(*value, "true" | "false") => builder.set(*key, *value == "true"),
                Err(_) => builder.set(*key, *value),
            };
        }
        builder
    })
    .unwrap()
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn cache(&self) -> &str {
        self.header("cache-status")
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.cache().starts_with("larder;hit")
    }
}
