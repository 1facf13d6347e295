//! Clients that speak HTTP/2 without TLS, on the same address.

#![allow(clippy::unwrap_used, reason = "tests")]

use crate::common::{Asked, Origin, Running, answer};
use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

#[tokio::test]
async fn what_one_has_stored_answers_the_other() {
    let origin = Origin::start(|asked: Asked| async move {
        answer(&[("cache-control", "max-age=60")], asked.header("host").unwrap())
    })
    .await;
    let proxy = Running::start(origin.address, &[]).await;
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let url = format!("http://{}/x", proxy.address);
    for _ in 0..2 {
        let request = Request::get(&url).version(Version::HTTP_2).body(Full::default()).unwrap();
        let found = client.request(request).await.unwrap();
        assert_eq!(found.version(), Version::HTTP_2);
        let body = found.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, proxy.address.to_string());
    }
    assert!(proxy.get("/x").await.is_hit());
    assert_eq!(origin.count(), 1);
    assert_eq!(origin.asked()[0].header("via"), Some("2 larder"));
}

#[tokio::test]
async fn two_hosts_that_differ_are_refused() {
    let origin = Origin::counting(&[("cache-control", "max-age=60")]).await;
    let proxy = Running::start(origin.address, &[]).await;
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request = Request::get(format!("http://{}/x", proxy.address)).version(Version::HTTP_2);
    let request = request.header("host", "other").body(Full::default()).unwrap();
    assert_eq!(client.request(request).await.unwrap().status(), 400);
    assert_eq!(origin.count(), 0);
}
