//! User and password, and where they come from.

use std::{
    fmt,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use larder_core::{Result, settings::Secret};

use crate::{failure::Failure, settings::wrong};

/// No password is longer; a file that is longer was named by mistake.
const MAX_PASSWORD: u64 = 64 * 1024;

/// What a server receives when it asks for credentials.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Credentials {
    /// The user; `None` for the server's default user.
    pub username: Option<String>,
    /// The password or token.
    pub password: Secret,
    /// How long they are valid from now on; `None` if nobody knows. A connection is replaced by one with new credentials
    /// when four fifths of this have passed.
    pub valid_for: Option<Duration>,
}

impl Credentials {
    /// Credentials that do not end.
    pub fn new(username: Option<String>, password: Secret) -> Self {
        Self { username, password, valid_for: None }
    }

    /// The same, valid for this long from now on.
    pub fn valid_for(mut self, valid_for: Duration) -> Self {
        self.valid_for = Some(valid_for);
        self
    }
}

/// Where credentials come from that do not stand in a configuration, as the short-lived tokens of a cloud do not.
///
/// ```
/// use larder_core::{Result, settings::Secret};
/// use larder_net::{Credentials, CredentialsProvider};
/// use std::time::Duration;
///
/// #[derive(Debug)]
/// struct Tokens;
///
/// #[async_trait::async_trait]
/// impl CredentialsProvider for Tokens {
///     async fn credentials(&self) -> Result<Credentials> {
///         let token = Secret::new("asked of the cloud");
///         Ok(Credentials::new(Some("app".into()), token).valid_for(Duration::from_secs(900)))
///     }
/// }
/// ```
#[async_trait]
pub trait CredentialsProvider: fmt::Debug + Send + Sync {
    /// The credentials for one more connection. Called for each connection, inside its `connect_timeout`.
    ///
    /// # Errors
    /// Why there are none at the moment: the connection is not opened, and it is tried again later.
    async fn credentials(&self) -> Result<Credentials>;
}

/// Where credentials come from.
#[derive(Debug, Clone)]
pub struct Login {
    username: Option<String>,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Given(Secret),
    In(PathBuf),
    Asked(Arc<dyn CredentialsProvider>),
}

impl Login {
    /// Checks what a configuration says: the password as text or in a file, which is read again for each connection so that
    /// it can change while the program runs.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](larder_core::ErrorKind::Config) with the setting's name: a password in two places, an empty
    /// one, one with control characters, a file that cannot be read. No error repeats a password.
    pub fn check(
        username: Option<String>,
        password: Option<Secret>,
        password_file: Option<PathBuf>,
    ) -> Result<Option<Self>> {
        let source = match (password, password_file) {
            (Some(_), Some(_)) => {
                return Err(wrong(
                    "password_file",
                    "the password is given elsewhere, too; write it in one place",
                ));
            }
            (Some(password), None) => {
                if let Some(why) = unfit(password.expose()) {
                    return Err(wrong("password", why));
                }
                Source::Given(password)
            }
            (None, Some(file)) => {
                read(&file)?;
                Source::In(file)
            }
            (None, None) if username.is_some() => return Err(wrong("username", "a user needs a password")),
            (None, None) => return Ok(None),
        };
        Ok(Some(Self { username, source }))
    }

    /// Asks a provider for each connection.
    pub fn by(provider: Arc<dyn CredentialsProvider>) -> Self {
        Self { username: None, source: Source::Asked(provider) }
    }

    /// The credentials for one connection. A file is read on a thread where that may take long.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn credentials(&self) -> Result<Credentials, Failure> {
        let password = match &self.source {
            Source::Asked(provider) => {
                let found = provider.credentials().await;
                return found.map_err(|why| {
                    Failure::from_error(&why).caused("the provider of credentials returned none")
                });
            }
            Source::Given(password) => password.clone(),
            Source::In(file) => {
                let file = file.clone();
                tokio::task::spawn_blocking(move || read(&file))
                    .await
                    .map_err(|_| Failure::unavailable("reading the password was interrupted"))?
                    .map_err(|why| Failure::from_error(&why))?
            }
        };
        Ok(Credentials::new(self.username.clone(), password))
    }
}

fn read(file: &Path) -> Result<Secret> {
    let mut text = String::new();
    File::open(file)
        .and_then(|opened| opened.take(MAX_PASSWORD).read_to_string(&mut text))
        // Not the path: a password may have been written where it belongs.
        .map_err(|why| wrong("password_file", &format!("the file cannot be read: {why}")))?;
    let password = text.trim_end_matches(['\r', '\n']);
    match unfit(password) {
        Some(why) => Err(wrong("password_file", why)),
        None => Ok(Secret::new(password)),
    }
}

fn unfit(password: &str) -> Option<&'static str> {
    if password.is_empty() {
        return Some("the password is empty");
    }
    password.contains(char::is_control).then_some("the password contains control characters")
}

#[cfg(test)]
mod tests {
    use larder_core::ErrorKind;

    use super::*;

    #[tokio::test]
    async fn a_password_file_is_read_without_its_line_end_and_again_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one two\n").unwrap();
        let login = Login::check(Some("u".into()), None, Some(file.path().into())).unwrap().unwrap();
        let found = login.credentials().await.unwrap();
        assert_eq!((found.username.as_deref(), found.password.expose()), (Some("u"), "one two"));
        std::fs::write(file.path(), "three\r\n").unwrap();
        assert_eq!(login.credentials().await.unwrap().password.expose(), "three");
        for unfit in ["\n", "four\nfive\n"] {
            std::fs::write(file.path(), unfit).unwrap();
            let why = login.credentials().await.unwrap_err();
            assert!(why.message().starts_with("`password_file`"), "{why}");
            assert!(!why.to_string().contains("four"), "{why}");
        }
    }

    #[test]
    fn what_is_wrong_names_the_setting_and_no_secret() {
        let given = || Some(Secret::new("hunter2"));
        for (login, setting) in [
            (Login::check(Some("u".into()), None, None), "`username`"),
            (Login::check(None, given(), Some("x".into())), "`password_file`"),
            (Login::check(None, Some(Secret::new("")), None), "`password`"),
            (Login::check(None, Some(Secret::new("hunter2\r\nflush_all")), None), "`password`"),
            (Login::check(None, None, Some("hunter2".into())), "`password_file`"),
        ] {
            let why = login.unwrap_err();
            assert_eq!(why.kind(), ErrorKind::Config);
            assert!(why.message().starts_with(setting), "{why}");
            assert!(!format!("{why} {why:?}").contains("hunter2"), "{why}");
        }
        assert!(Login::check(None, None, None).unwrap().is_none());
        assert!(!format!("{:?}", Login::check(None, given(), None)).contains("hunter2"));
    }
}
