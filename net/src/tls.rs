//! TLS: which authorities are trusted, and which certificate this side shows. The files are read once, when the store is
//! made.

use std::path::PathBuf;

use larder_core::Result;

use crate::settings::wrong;

/// The files that a configuration names, as PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The certificates of the authorities that may vouch for the server, instead of the system's.
    pub ca: Option<PathBuf>,
    /// The certificate that this client shows to a server that asks for one.
    pub client_certificate: Option<PathBuf>,
    /// The private key that belongs to it.
    pub client_key: Option<PathBuf>,
}

impl TlsFiles {
    /// The files of the settings `ca_file`, `client_certificate_file` and `client_key_file`.
    pub fn new(
        ca: Option<PathBuf>,
        client_certificate: Option<PathBuf>,
        client_key: Option<PathBuf>,
    ) -> Self {
        Self { ca, client_certificate, client_key }
    }

    /// Checks that no file is named where there is no TLS. `how` says how TLS is asked for.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](larder_core::ErrorKind::Config) with the setting's name.
    pub fn refuse(&self, how: &str) -> Result<()> {
        for (name, file) in [
            ("ca_file", &self.ca),
            ("client_certificate_file", &self.client_certificate),
            ("client_key_file", &self.client_key),
        ] {
            if file.is_some() {
                return Err(wrong(name, &format!("it has no effect without TLS; {how}")));
            }
        }
        Ok(())
    }
}

#[cfg(feature = "tls")]
pub use self::with_rustls::Tls;

#[cfg(feature = "tls")]
mod with_rustls {
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

    use super::TlsFiles;
    use crate::{
        failure::Failure,
        settings::wrong,
        stream::{Kind, Stream},
    };

    /// Makes TCP connections secret, and makes sure of the server at their other end. Certificates are always checked.
    #[derive(Clone)]
    pub struct Tls(TlsConnector);

    impl Tls {
        /// Trusts the authorities in a file, else the system's; shows the client's certificate, if there is one.
        ///
        /// # Errors
        /// [`ErrorKind::Config`] with the name of the setting whose file cannot be used. No error repeats what a file holds.
        pub fn new(files: &TlsFiles) -> Result<Self> {
            let roots = match &files.ca {
                Some(file) => roots_in(file)?,
                None => roots_of_the_system()?,
            };
            // Named, not the process's default: a program may have none, or be about to choose another one.
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|why| wrong("ca_file", &format!("TLS cannot be used: {why}")))?
                .with_root_certificates(roots);
            let config = match (&files.client_certificate, &files.client_key) {
                (None, None) => config.with_no_client_auth(),
                (Some(_), None) => return Err(wrong("client_key_file", "the certificate's key is missing")),
                (None, Some(_)) => {
                    return Err(wrong("client_certificate_file", "the key's certificate is missing"));
                }
                (Some(certificate), Some(key)) => {
                    let chain = certificates("client_certificate_file", certificate)?;
                    let key = PrivateKeyDer::from_pem_file(key)
                        .map_err(|why| wrong("client_key_file", &format!("{}: {why}", shown(key))))?;
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
            let name = ServerName::try_from(host.to_owned()).map_err(|why| {
                Failure::unavailable(format!("\"{host}\" is not a name that a certificate can have: {why}"))
            })?;
            let stream = timeout_at(deadline, self.0.connect(name, tcp))
                .await
                .map_err(|_| {
                    Failure::unavailable(
                        "the TLS handshake took longer than `connect_timeout`; does the server speak TLS?",
                    )
                })?
                .map_err(|why| match why.kind() {
                    // What rustls thinks of the other side and its certificate.
                    io::ErrorKind::InvalidData => {
                        Failure::new(ErrorKind::Auth, format!("the TLS handshake failed: {why}"))
                    }
                    _ => Failure::unavailable(format!(
                        "the server closed the connection during the TLS handshake; does it speak TLS? {why}"
                    )),
                })?;
            Ok(Kind::Tls(Box::new(stream)).into())
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
            roots.add(certificate).map_err(|why| wrong("ca_file", &format!("{}: {why}", shown(file))))?;
        }
        Ok(roots)
    }

    fn roots_of_the_system() -> Result<RootCertStore> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Systems carry certificates that are too odd for rustls; the others are good all the same.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why =
                found.errors.first().map_or_else(|| "none are installed".to_owned(), ToString::to_string);
            return Err(wrong(
                "ca_file",
                &format!("the system has no certificates to trust ({why}); set this to a PEM file"),
            ));
        }
        Ok(roots)
    }

    fn certificates(setting: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>> {
        let read: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<_, _>>);
        let found = read.map_err(|why| wrong(setting, &format!("{}: {why}", shown(file))))?;
        if found.is_empty() {
            return Err(wrong(setting, &format!("there is no PEM certificate in {}", shown(file))));
        }
        Ok(found)
    }

    /// A path for a message. What is no path but the contents of a file, pasted where its path belongs, is not shown.
    fn shown(path: &Path) -> String {
        let text = path.to_string_lossy();
        if text.contains("-----BEGIN") || text.contains('\n') {
            return "the setting holds a file's contents; set it to the path of the file".to_owned();
        }
        text.into_owned()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn files_that_hold_no_certificate_are_refused_by_setting() {
            let missing = Some("/does/not/exist.pem".into());
            let not_pem = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(not_pem.path(), "no certificate\n").unwrap();
            for (files, setting) in [
                (TlsFiles::new(missing.clone(), None, None), "`ca_file`"),
                (TlsFiles::new(Some(not_pem.path().into()), None, None), "`ca_file`"),
                (TlsFiles::new(None, missing.clone(), missing.clone()), "`client_certificate_file`"),
                (TlsFiles::new(None, missing.clone(), None), "`client_key_file`"),
                (TlsFiles::new(None, None, missing), "`client_certificate_file`"),
            ] {
                let why = Tls::new(&files).unwrap_err();
                assert!(why.message().starts_with(setting), "{why}");
            }
        }

        #[test]
        fn a_key_that_was_pasted_for_its_path_is_not_shown() {
            let pasted = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
            let why = Tls::new(&TlsFiles::new(Some(pasted.into()), None, None)).unwrap_err();
            assert!(!format!("{why} {why:?}").contains("hunter2"), "{why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_tls_are_refused() {
        TlsFiles::default().refuse("").unwrap();
        let why = TlsFiles::new(None, Some("x".into()), None).refuse("write \"tls://…\"").unwrap_err();
        assert!(
            why.message().starts_with("`client_certificate_file`: it has no effect without TLS; write"),
            "{why}"
        );
    }
}
