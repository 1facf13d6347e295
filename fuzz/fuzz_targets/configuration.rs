//! Configurations: whatever is in files and variables, there is a Larder or an error that says what is wrong, and no
//! secret is shown.
#![no_main]

use std::{
    cell::RefCell,
    error::Error as _,
    fmt::Debug,
    fs,
    path::{Path as FilePath, PathBuf},
    sync::LazyLock,
};

use arbitrary::Arbitrary;
use larder::{ErrorKind, Larder};
use larder_fuzz::{Path, Setting, Text, tree};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

#[derive(Debug, Arbitrary)]
struct Input {
    file: File,
    profile_file: Option<File>,
    profile: Option<Profile>,
    variables: Vec<(Path, Setting)>,
    odd_variables: Vec<(Text, Text)>,
    program: Vec<(Path, Setting)>,
    secret: Option<Secret>,
    /// Whether the store that the secret is for is complete, so that there can be a Larder.
    complete: bool,
}

#[derive(Debug, Arbitrary)]
enum File {
    None,
    Settings(Language, Vec<(Path, Setting)>),
    /// Settings, and then a mess.
    Broken(Language, Vec<(Path, Setting)>, String),
    Bytes(Language, Vec<u8>),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Language {
    Toml,
    Json,
    Yaml,
}

#[derive(Debug, Arbitrary)]
enum Profile {
    Prod,
    Any(Text),
}

/// Where a secret is.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Secret {
    PasswordInVariable,
    PasswordInFile,
    PasswordInProgram,
    UrlInVariable,
    UrlInFile,
}

/// What is shown nowhere.
const MARKER: &str = "hunter2hunter2";

fuzz_target!(|input: Input| {
    if format!("{input:?}").contains(MARKER) {
        return;
    }
    PLACE.with_borrow_mut(|place| {
        place.empty();
        place.write("larder", &input.file, input.secret);
        if let Some(file) = &input.profile_file {
            place.write("larder.prod", file, input.secret);
        }
        let first = build(&input, &place.directory);
        let second = build(&input, &place.directory);
        match (first, second) {
            (Ok(first), Ok(second)) => {
                assert_eq!(first.explain().to_string(), second.explain().to_string());
                check(&first);
                let closed = RUNTIME.block_on(async { first.close().await.and(second.close().await) });
                closed.expect("nothing is open that cannot be closed");
            }
            (Err(first), Err(second)) => assert_eq!(first.to_string(), second.to_string()),
            (first, second) => panic!("the same once more: {first:?}, {second:?}"),
        }
    });
});

fn build(input: &Input, directory: &FilePath) -> larder::Result<Larder> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for (path, setting) in &input.variables {
        variables.push((variable(&path.0), as_text(&setting.0)));
    }
    for (name, value) in &input.odd_variables {
        variables.push((format!("LARDER_{}", name.as_str()), value.as_str().to_owned()));
    }
    // A file is read that this names, whatever it is.
    variables.retain(|(name, _)| name != "LARDER_CONFIG" && !name.contains('\0'));
    let secret = |wanted: &str, value: String| Some((wanted.to_owned(), value));
    variables.extend(match input.secret {
        Some(Secret::PasswordInVariable) => secret("LARDER_STORES__MAIN__PASSWORD", MARKER.into()),
        Some(Secret::UrlInVariable) => secret("LARDER_STORES__MAIN__URL", url()),
        _ => None,
    });

    let mut builder = Larder::builder().directory(directory).environment(variables);
    match &input.profile {
        Some(Profile::Prod) => builder = builder.profile("prod"),
        Some(Profile::Any(name)) => builder = builder.profile(name.as_str()),
        None => {}
    }
    for (path, setting) in &input.program {
        builder = builder.set(path.0.join("."), &setting.0);
    }
    if let Some(Secret::PasswordInProgram) = input.secret {
        builder = builder.set("stores.main.password", MARKER);
    }
    if input.complete {
        builder = builder.set("stores.main.backend", "redis");
        if !matches!(input.secret, Some(Secret::UrlInVariable | Secret::UrlInFile)) {
            builder = builder.set("stores.main.url", "redis://127.0.0.1:6379");
        }
    }
    check_hidden(&builder);

    let _runtime = RUNTIME.enter();
    builder.build().inspect_err(|error| {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!error.message().is_empty());
        check_hidden(error);
        check_hidden(&error.to_string());
        let mut source = error.source();
        while let Some(error) = source {
            check_hidden(error);
            check_hidden(&error.to_string());
            source = error.source();
        }
    })
}

fn check(larder: &Larder) {
    check_hidden(larder);
    check_hidden(larder.explain());
    check_hidden(&larder.explain().to_string());
    for name in ["main", "search", "users", "a.b", "", "prod", "undeclared"] {
        match larder.cache::<Value>(name) {
            Ok(cache) => assert_eq!(cache.name(), name),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Config);
                check_hidden(&error);
            }
        }
        check_hidden(&larder.store(name));
    }
}

fn check_hidden<T: Debug + ?Sized>(shown: &T) {
    let shown = format!("{shown:?}");
    assert!(!shown.contains(MARKER), "a secret is shown: {shown}");
}

fn variable(path: &[String]) -> String {
    format!("LARDER_{}", path.join("__").to_uppercase())
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.replace('\0', ""),
        other => other.to_string(),
    }
}

fn url() -> String {
    format!("redis://user:{MARKER}@127.0.0.1:6379/0")
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime of one thread"));

thread_local! {
    static PLACE: RefCell<Place> = RefCell::new(Place::new());
}

/// A directory for the files of one input.
struct Place {
    directory: PathBuf,
    written: Vec<PathBuf>,
}

impl Place {
    fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("larder-fuzz-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("the temporary directory can be written to");
        Self { directory, written: Vec::new() }
    }

    fn empty(&mut self) {
        for file in self.written.drain(..) {
            fs::remove_file(file).expect("it was written");
        }
    }

    fn write(&mut self, name: &str, file: &File, secret: Option<Secret>) {
        let (language, bytes) = match file {
            File::None => return,
            File::Settings(language, settings) => (*language, language.render(settings, secret).into_bytes()),
            File::Broken(language, settings, mess) => {
                (*language, (language.render(settings, secret) + mess).into_bytes())
            }
            File::Bytes(language, bytes) => (*language, bytes.clone()),
        };
        let ending = match language {
            Language::Toml => "toml",
            Language::Json => "json",
            Language::Yaml => "yaml",
        };
        let path = self.directory.join(format!("{name}.{ending}"));
        fs::write(&path, bytes).expect("the temporary directory can be written to");
        self.written.push(path);
    }
}

impl Language {
    fn render(self, settings: &[(Path, Setting)], secret: Option<Secret>) -> String {
        let mut settings = settings.to_vec();
        let mut add = |key: &str, value: Value| {
            settings.push((Path(["stores", "main", key].map(str::to_owned).into()), Setting(value)));
        };
        match secret {
            Some(Secret::PasswordInFile) => add("password", json!(MARKER)),
            Some(Secret::UrlInFile) => add("url", json!(url())),
            _ => {}
        }
        match self {
            Self::Json => tree(&settings).to_string(),
            // Without the braces, so that a mess that follows is met after the settings.
            Self::Yaml => lines(&tree(&settings), ": "),
            Self::Toml => lines(&without_null(tree(&settings)), " = "),
        }
    }
}

/// The sections of a tree, each as one line.
fn lines(tree: &Value, between: &str) -> String {
    let sections = tree.as_object().into_iter().flatten();
    let sections =
        sections.map(|(key, value)| format!("{}{between}{}\n", json!(key), inline(value, between)));
    sections.collect()
}

fn inline(value: &Value, between: &str) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}{between}{}", json!(key), inline(value, between)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(|value| inline(value, between)).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}

/// TOML has no null.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_null(value))).collect())
        }
        Value::Array(values) => {
            values.into_iter().filter(|value| !value.is_null()).map(without_null).collect()
        }
        other => other,
    }
}
