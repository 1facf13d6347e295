//! The listener for those who run the proxy: health, metrics, a page, and what changes something, which needs the token. Never on the
//! address for clients, where such a path could be somebody's.

mod metrics;
mod page;
mod purge;
mod token;

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};

use crate::{
    body::{Body, Read, full, read, streaming},
    service::Proxy,
};

/// How many may be connected.
const CONNECTIONS: usize = 64;
/// The largest body of a request, in bytes.
const LARGEST: usize = 1 << 20;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads the configuration again and puts it in place of the old one: the error says what is wrong with it.
type Reload = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Who answers.
#[derive(Clone)]
struct Admin {
    proxy: Proxy,
    reload: Reload,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

/// Serves for ever. `reload` reads the configuration again and gives it to [`Proxy::reload`]; it may block.
pub async fn serve(
    listener: TcpListener,
    proxy: Proxy,
    reload: impl Fn() -> Result<(), String> + Send + Sync + 'static,
) {
    let admin = Admin { proxy, reload: Arc::new(reload) };
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let admin = admin.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let admin = admin.clone();
                async move { Ok::<_, Infallible>(admin.answer(request).await) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_headers(64);
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection to the admin listener ended");
            }
            drop(permit);
        });
    }
}

impl Admin {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let changes = request.method() == Method::POST;
        match request.uri().path() {
            "/" if reads => page::page(),
            "/statistics" if reads => page::statistics(&self.proxy),
            "/health" if reads => plain(StatusCode::OK, metrics::health(&self.proxy).1),
            "/ready" if reads => {
                let (is_ready, text) = metrics::health(&self.proxy);
                plain(if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
            }
            "/metrics" if reads => {
                let mut answer = plain(StatusCode::OK, metrics::text(&self.proxy));
                let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                answer.headers_mut().insert(header::CONTENT_TYPE, kind);
                answer
            }
            "/purge" if changes => match self.allowed(request).await {
                Ok(body) => purge::answer(&self.proxy, &body).await,
                Err(refused) => *refused,
            },
            "/reload" if changes => match self.allowed(request).await {
                Ok(_) => self.reload().await,
                Err(refused) => *refused,
            },
            "/" | "/statistics" | "/health" | "/ready" | "/metrics" => not_allowed("GET, HEAD"),
            "/purge" | "/reload" => not_allowed("POST"),
            _ => plain(
                StatusCode::NOT_FOUND,
                "there are GET /, /health, /ready, /metrics and /statistics; POST /purge and /reload\n"
                    .to_owned(),
            ),
        }
    }

    /// The body of a request that has the token.
    async fn allowed(&self, request: Request<Incoming>) -> Result<Bytes, Box<Response<Body>>> {
        let running = self.proxy.running();
        token::check(running.configuration.proxy.admin_token.as_ref(), request.headers())?;
        let refused = match timeout(PATIENCE, read(streaming(request.into_body()), LARGEST)).await {
            Ok(Ok(Read::Whole(body))) => return Ok(body),
            Ok(Ok(Read::TooLarge(_))) => {
                plain(StatusCode::PAYLOAD_TOO_LARGE, format!("more than {LARGEST} bytes\n"))
            }
            Ok(Err(_)) | Err(_) => {
                plain(StatusCode::BAD_REQUEST, "the body broke off, or did not come in time\n".to_owned())
            }
        };
        Err(Box::new(refused))
    }

    async fn reload(&self) -> Response<Body> {
        let reload = Arc::clone(&self.reload);
        match tokio::task::spawn_blocking(move || reload()).await {
            Ok(Ok(())) => plain(StatusCode::OK, "the new configuration holds\n".to_owned()),
            Ok(Err(why)) => {
                plain(StatusCode::UNPROCESSABLE_ENTITY, format!("the old configuration still holds: {why}\n"))
            }
            Err(_) => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "reading the configuration failed; see the log\n".to_owned(),
            ),
        }
    }
}

fn not_allowed(allow: &'static str) -> Response<Body> {
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, format!("only {allow}\n"));
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    answer
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    typed(status, "text/plain; charset=utf-8", text)
}

fn typed(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(full(text));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
