//! A certificate authority made for one test, with a certificate for the server and one for a client.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

use crate::Error;
use crate::error::or_panic;

/// PEM files of a fresh authority, a server certificate for `localhost`, `127.0.0.1` and `::1`, and a client certificate.
///
/// Nobody trusts the authority unless told to, and two of them do not trust each other, which is how a test gets a
/// certificate that is refused. The files go when the last clone, of which each server has one, is dropped.
#[derive(Clone, Debug)]
pub struct Certificates {
    directory: Arc<TempDir>,
}

impl Certificates {
    /// Makes new keys and certificates.
    #[track_caller]
    pub fn generate() -> Self {
        or_panic(Self::try_generate())
    }

    /// The authority's certificate, which a client has to trust.
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The server's certificate.
    pub fn server_certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// The server's private key.
    pub fn server_key(&self) -> PathBuf {
        self.path("server.key")
    }

    /// A certificate that a client shows to a server which asks for one.
    pub fn client_certificate(&self) -> PathBuf {
        self.path("client.pem")
    }

    /// The client's private key.
    pub fn client_key(&self) -> PathBuf {
        self.path("client.key")
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    fn try_generate() -> Result<Self, Error> {
        let directory = tempfile::Builder::new()
            .prefix("larder-certificates-")
            .tempdir()
            .map_err(Error::io("making a directory for certificates"))?;
        write_all(directory.path()).map_err(|source| Error::Io {
            doing: "making certificates".into(),
            source: std::io::Error::other(source),
        })?;
        Ok(Self { directory: Arc::new(directory) })
    }
}

fn write_all(directory: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut authority = parameters("Larder test authority", &[])?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    fs::write(directory.join("ca.pem"), authority.pem())?;

    let names = ["localhost", "127.0.0.1", "::1"];
    for (file, names, usage) in [
        ("server", names.as_slice(), ExtendedKeyUsagePurpose::ServerAuth),
        ("client", &[], ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let mut leaf = parameters(&format!("Larder test {file}"), names)?;
        leaf.use_authority_key_identifier_extension = true;
        leaf.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        fs::write(directory.join(file).with_extension("pem"), leaf.signed_by(&key, &authority)?.pem())?;
        fs::write(directory.join(file).with_extension("key"), key.serialize_pem())?;
    }
    Ok(())
}

fn parameters(name: &str, subjects: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let subjects: Vec<String> = subjects.iter().map(ToString::to_string).collect();
    let mut parameters = CertificateParams::new(subjects)?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(parameters)
}
