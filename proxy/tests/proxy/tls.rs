//! Upstreams by TLS.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{net::SocketAddr, path::Path, sync::Arc};

use crate::common::Running;
use larder_test_servers::Certificates;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

/// A server that answers each connection once.
async fn origin(certificates: &Certificates) -> SocketAddr {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificates.server_certificate())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_file(certificates.server_key()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret";
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

async fn asked(address: SocketAddr, authorities: &Path) -> (u16, String) {
    let url = format!("https://127.0.0.1:{}", address.port());
    let file = authorities.to_str().unwrap();
    let settings = [("upstreams.tls.ca_file", file), ("routes.all.upstream", "tls")];
    let proxy = Running::with(address, &settings, &[("upstreams.tls.addresses", &[&url])]).await;
    let answer = proxy.get("/").await;
    (answer.status, answer.text().to_owned())
}

#[tokio::test]
async fn a_server_that_is_vouched_for() {
    let certificates = Certificates::generate();
    let address = origin(&certificates).await;
    assert_eq!(asked(address, &certificates.ca()).await, (200, "secret".to_owned()));
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for() {
    let certificates = Certificates::generate();
    let address = origin(&certificates).await;
    let (status, _) = asked(address, &Certificates::generate().ca()).await;
    assert_eq!(status, 502);
}
