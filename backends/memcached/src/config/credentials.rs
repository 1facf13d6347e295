//! User and password, and where the password comes from.

use std::{fs::File, io::Read as _, path::PathBuf};

use larder_core::{Result, settings::Secret};

use super::wrong;

/// No password is longer; a file that is, was named by mistake. Servers take at most 16 KiB.
const MAX_PASSWORD: u64 = 8 * 1024;

/// What a server is told that asks who we are.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    username: String,
    password: Password,
}

#[derive(Debug, Clone)]
enum Password {
    Given(Secret),
    In(PathBuf),
}

impl Credentials {
    pub(super) fn check(
        username: Option<String>,
        password: Option<Secret>,
        password_file: Option<PathBuf>,
    ) -> Result<Option<Self>> {
        let password = match (password, password_file) {
            (Some(_), Some(_)) => return Err(wrong("password_file", "`password` is given, too")),
            (Some(password), None) => {
                if let Some(why) = is_unfit(password.expose()) {
                    return Err(wrong("password", why));
                }
                Some(Password::Given(password))
            }
            (None, Some(file)) => Some(Password::In(file)),
            (None, None) => None,
        };
        let (username, password) = match (username, password) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(wrong("username", "a user needs a password")),
            (None, Some(_)) => return Err(wrong("username", "a password needs a user")),
            (Some(username), Some(password)) => (username, password),
        };
        // The server takes the first space for the end of the user.
        if username.is_empty() || username.contains(|c: char| c == ' ' || c.is_control()) {
            return Err(wrong("username", "a user is at least one character and holds no spaces"));
        }
        let this = Self { username, password };
        this.read()?;
        Ok(Some(this))
    }

    /// User and password as they are sent. The password's file is read on a thread where that may take long.
    pub(crate) async fn text(&self) -> Result<Secret> {
        let this = self.clone();
        let read = tokio::task::spawn_blocking(move || this.read()).await;
        let password = read.unwrap_or_else(|_| Err(wrong("password_file", "reading it was interrupted")))?;
        Ok(Secret::new(format!("{} {}", self.username, password.expose())))
    }

    fn read(&self) -> Result<Secret> {
        let file = match &self.password {
            Password::Given(password) => return Ok(password.clone()),
            Password::In(file) => file,
        };
        let mut text = String::new();
        File::open(file)
            .and_then(|opened| opened.take(MAX_PASSWORD).read_to_string(&mut text))
            .map_err(|why| wrong("password_file", &format!("{}: {why}", file.display())))?;
        let password = text.trim_end_matches(['\r', '\n']);
        if let Some(why) = is_unfit(password) {
            return Err(wrong("password_file", &format!("{}: {why}", file.display())));
        }
        Ok(Secret::new(password))
    }
}

fn is_unfit(password: &str) -> Option<&'static str> {
    if password.is_empty() {
        return Some("the password is empty");
    }
    password.contains(char::is_control).then_some("the password holds control characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_file_is_read_without_its_line_end_and_again_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one two\n").unwrap();
        let credentials =
            Credentials::check(Some("u".into()), None, Some(file.path().to_owned())).unwrap().unwrap();
        assert_eq!(credentials.text().await.unwrap().expose(), "u one two");
        std::fs::write(file.path(), "three\r\n").unwrap();
        assert_eq!(credentials.text().await.unwrap().expose(), "u three");
        for unfit in ["\n", "four\nfive\n"] {
            std::fs::write(file.path(), unfit).unwrap();
            let why = credentials.text().await.unwrap_err();
            assert!(why.message().starts_with("`password_file`"), "{why}");
            assert!(!why.to_string().contains("four"), "{why}");
        }
    }
}
