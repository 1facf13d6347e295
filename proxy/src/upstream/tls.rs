//! TLS to upstreams: which authorities are trusted. Certificates are always checked.

use std::{fmt, io, path::Path, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

/// Makes connections secret, and makes sure of the server at their other end.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the authorities in a file, else the system's. The error says what is wrong with them.
    pub(super) fn new(authorities: Option<&Path>) -> Result<Self, String> {
        let roots = match authorities {
            Some(file) => roots_in(file)?,
            None => roots_of_the_system()?,
        };
        // Named, not the process's default: a program may have none.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|why| format!("TLS cannot be used: {why}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// The same connection, secret, to the server that `host` names.
    pub(super) async fn secure(&self, host: &str, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        self.0.connect(name, tcp).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

fn roots_in(file: &Path) -> Result<RootCertStore, String> {
    let wrong = |why: &dyn fmt::Display| format!("{}: {why}", file.display());
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<_, _>>);
    let found = found.map_err(|why| wrong(&why))?;
    if found.is_empty() {
        return Err(wrong(&"there is no PEM certificate in it"));
    }
    let mut roots = RootCertStore::empty();
    for certificate in found {
        roots.add(certificate).map_err(|why| wrong(&why))?;
    }
    Ok(roots)
}

fn roots_of_the_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    // Systems carry certificates that are too odd for rustls; the others are good all the same.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("the system has no certificates to trust; set this to a PEM file".to_owned());
    }
    Ok(roots)
}
