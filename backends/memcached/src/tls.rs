//! TLS: whom to trust, and what to show of oneself. The certificates are read once, when the store is made.

use std::{fmt, io, path::Path, sync::Arc};

use larder_core::{ErrorKind, Result};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    },
};

use crate::{config::wrong, error::Failure, stream::Stream};

/// Makes TCP connections secret, and makes sure of the server at their other end.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the authorities in this file, else the system's; shows the client's certificate, if there is one
    /// (certificate and key).
    pub(crate) fn new(ca_file: Option<&Path>, client: Option<(&Path, &Path)>) -> Result<Self> {
        let roots = match ca_file {
            Some(file) => roots_in(file)?,
            None => roots_of_the_system()?,
        };
        // Named, not the process's default: a program may have none, or be about to choose another one.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|why| wrong("servers", &format!("TLS cannot be used: {why}")))?
            .with_root_certificates(roots);
        let config = match client {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates("client_certificate_file", certificate)?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|why| wrong("client_key_file", &format!("{}: {why}", key.display())))?;
                config
                    .with_client_auth_cert(chain, key)
                    .map_err(|why| wrong("client_certificate_file", &why.to_string()))?
            }
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(crate) async fn secure(
        &self,
        host: &str,
        tcp: TcpStream,
        deadline: Instant,
    ) -> Result<Stream, Failure> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|why| Failure::unavailable(format!("\"{host}\" is no name for TLS: {why}")))?;
        let stream = timeout_at(deadline, self.0.connect(name, tcp))
            .await
            .map_err(|_| {
                Failure::unavailable("TLS takes longer than `connect_timeout`; does the server speak it?")
            })?
            .map_err(|why| match why.kind() {
                // What rustls thinks of the other side and its certificate.
                io::ErrorKind::InvalidData => Failure::new(ErrorKind::Auth, format!("TLS failed: {why}")),
                _ => Failure::unavailable(format!("the server hung up during TLS: {why}")),
            })?;
        Ok(Box::new(stream))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

fn roots_in(file: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca_file", file)? {
        roots.add(certificate).map_err(|why| wrong("ca_file", &format!("{}: {why}", file.display())))?;
    }
    Ok(roots)
}

fn roots_of_the_system() -> Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems carry certificates that are too odd for rustls; the others are good all the same.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "none are installed".to_owned(), ToString::to_string);
        return Err(wrong(
            "ca_file",
            &format!("the system has no certificates to trust ({why}); name a file"),
        ));
    }
    Ok(roots)
}

fn certificates(setting: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<_, _>>);
    let found = read.map_err(|why| wrong(setting, &format!("{}: {why}", file.display())))?;
    if found.is_empty() {
        return Err(wrong(setting, &format!("there is no PEM certificate in {}", file.display())));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_hold_no_certificate_are_refused_by_name() {
        let missing = Path::new("/does/not/exist.pem");
        let not_pem = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(not_pem.path(), "no certificate\n").unwrap();
        for (result, setting) in [
            (Tls::new(Some(missing), None), "`ca_file`"),
            (Tls::new(Some(not_pem.path()), None), "`ca_file`"),
            (Tls::new(None, Some((missing, missing))), "`client_certificate_file`"),
        ] {
            let why = result.err().unwrap();
            assert!(why.message().starts_with(setting), "{why}");
        }
    }
}
