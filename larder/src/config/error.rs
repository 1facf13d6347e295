//! What is wrong with a configuration. Everything that is wrong is reported at once, so that a person corrects it
//! in one go.

use std::fmt;

use larder_core::{Error, ErrorKind, error::Operation};

use super::{origin::Origin, path::KeyPath, secrecy::Secrets, text};

/// How many mistakes are kept. Who made more is not helped by a longer list.
const MOST: usize = 20;
/// The longest message, in bytes: a type may repeat a megabyte that it did not accept.
const LONGEST: usize = 2048;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// The path of the key: `stores.main.url`. Empty when it is about a file as a whole.
    pub key: String,
    /// Where the value came from, or the section in which one is missing.
    pub origin: Option<Origin>,
    /// What was found, what would be accepted, and which name was probably meant. Never holds a secret.
    pub message: String,
}

impl Mistake {
    pub(crate) fn new(key: &KeyPath, origin: Option<Origin>, message: impl Into<String>) -> Self {
        Self { key: key.to_string(), origin, message: text::cut(&message.into(), LONGEST).into_owned() }
    }

    pub(crate) fn without(mut self, secrets: &Secrets) -> Self {
        self.key = secrets.hide(&self.key).into_owned();
        self.message = secrets.hide(&self.message).into_owned();
        self
    }

    /// A mistake that concerns a place as a whole.
    pub(crate) fn in_place(origin: Origin, message: impl Into<String>) -> Self {
        Self::new(&KeyPath::default(), Some(origin), message)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.key, &self.origin) {
            ("", Some(origin)) => write!(f, "{origin}: ")?,
            ("", None) => {}
            (key, Some(origin)) => write!(f, "{key} ({origin}): ")?,
            (key, None) => write!(f, "{key}: ")?,
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with a configuration: the [source](std::error::Error::source) of the
/// [`Error`] that [`build`](crate::LarderBuilder::build) gives.
///
/// ```
/// use std::error::Error as _;
/// use larder::{Larder, config::ConfigError};
///
/// let error = Larder::builder()
///     .environment([("LARDER_DEFAULTS__TTL", "60")])
///     .build()
///     .unwrap_err();
/// let mistakes = error.source().unwrap().downcast_ref::<ConfigError>().unwrap().mistakes();
/// assert_eq!(mistakes[0].key, "defaults.ttl");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
    /// Whether there may be more of them.
    is_cut: bool,
}

impl ConfigError {
    /// The mistakes, in the order in which the sections are read: at least one, and the first twenty of more.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// One mistake on the same line; several on a line each.
    fn list(&self) -> String {
        if let [only] = &*self.mistakes {
            return only.to_string();
        }
        let lines = self.mistakes.iter().map(|mistake| format!("\n- {mistake}"));
        let more = self.is_cut.then(|| "\n- and perhaps more".to_owned());
        lines.chain(more).collect()
    }
}

/// How many mistakes there are. The error whose source this is lists them.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, more) = (self.mistakes.len(), if self.is_cut { " or more" } else { "" });
        write!(f, "{count}{more} in the configuration")
    }
}

impl std::error::Error for ConfigError {}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub(crate) fn add(&mut self, mistake: Mistake) {
        if !self.is_full() {
            self.0.push(mistake);
        }
    }

    /// Whether no more are kept, so that looking for more is not worth the time.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    /// `Ok` if there are none. What is secret in one place of the configuration is shown in no message about another.
    pub(crate) fn check(self, secrets: &Secrets) -> larder_core::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Self(self.0.into_iter().map(|mistake| mistake.without(secrets)).collect()).into())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_vec(self) -> Vec<Mistake> {
        self.0
    }
}

impl From<Mistake> for Error {
    fn from(mistake: Mistake) -> Self {
        Mistakes(vec![mistake]).into()
    }
}

impl From<Mistakes> for Error {
    fn from(mistakes: Mistakes) -> Self {
        let source = ConfigError { is_cut: mistakes.is_full(), mistakes: mistakes.0 };
        // All of it stands in the error itself: a reporter that prints sources, too, does not say it again.
        let message = match source.mistakes.len() {
            1 => format!("the configuration is wrong: {}", source.list()),
            many => format!("{many} things are wrong with the configuration:{}", source.list()),
        };
        Self::new(ErrorKind::Config, Operation::Build, message).with_source(source)
    }
}
