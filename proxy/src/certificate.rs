//! The certificate by which clients know this proxy.

use std::{fmt, io, path::Path, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
    server::TlsStream,
};

use crate::configuration::{TlsSection, Wrong};

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Certificate(TlsAcceptor);

impl Certificate {
    /// The same connection, secret.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.0.accept(stream).await
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

/// Reads certificate and key. `key` is where they are configured.
///
/// # Errors
/// What is wrong with the files. Of what is in them, nothing is said.
pub(crate) fn read(section: &TlsSection, key: &str) -> Result<Certificate, Wrong> {
    let wrong = |setting: &str, file: &str, why: &dyn fmt::Display| Wrong {
        key: format!("{key}.{setting}"),
        why: format!("{}: {why}", Path::new(file).display()),
    };
    let wrong_certificate =
        |why: &dyn fmt::Display| wrong("certificate_file", &section.certificate_file, why);
    let wrong_key = |why: &dyn fmt::Display| wrong("key_file", &section.key_file, why);
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&section.certificate_file).and_then(Iterator::collect::<Result<_, _>>);
    let chain = found.map_err(|why| wrong_certificate(&why))?;
    if chain.is_empty() {
        return Err(wrong_certificate(&"there is no PEM certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(&section.key_file).map_err(|why| wrong_key(&why))?;
    // Named, not the process's default: a program may have none.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|why| wrong_certificate(&why))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|why| wrong_key(&format!("it does not go with the certificate: {why}")))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Certificate(TlsAcceptor::from(Arc::new(config))))
}
