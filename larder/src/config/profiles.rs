//! The configuration file, the profile's part of it, and what the profiles that were not chosen say: whoever
//! deploys to one of them should not be the first to hear of an error there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use figment::value::{Dict, Value};

use super::{
    error::Mistake,
    file,
    origin::{Layer, Origin},
    path::KeyPath,
    places::Places,
    provided::Provided,
    secrecy, text,
};

/// How many of the profiles that were not chosen are looked at.
const MOST: usize = 20;

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The configuration file, and the parts of the profile that was chosen.
    pub(super) layers: Vec<Provided>,
    /// The other profiles' parts: what each adds to the configuration file.
    pub(super) others: Vec<Provided>,
    /// What is wrong with files of other profiles.
    pub(super) unreadable: Vec<Mistake>,
}

/// Reads the configuration file and the profile's part of it.
pub(super) fn read(
    named: Option<&Path>,
    directory: &Path,
    profile: Option<&(String, Origin)>,
    sections: &[&str],
) -> Result<Files, Mistake> {
    let mut files = Files::default();
    let mut profiles = Dict::new();
    let mut places = Places::default();
    let file = file::find(named, directory)?;
    let shown = file.as_deref().map(file::show).unwrap_or_default();
    if let Some(file) = &file {
        let origin = Origin::new(Layer::File, &*shown);
        let (mut dict, mut all_places) = file::read(file, &origin)?;
        let path = KeyPath::new(["profiles"]);
        let here = origin.at(all_places.find(path.segments()));
        places = all_places.take("profiles");
        match dict.remove("profiles") {
            None => {}
            Some(Value::Dict(_, sections)) => profiles = sections,
            Some(_) => {
                let message = "expected a table of sections: [profiles.NAME.stores.main]";
                return Err(Mistake::new(&path, Some(here), message));
            }
        }
        files.layers.push(Provided::in_file(origin, dict, all_places));
    }
    let stem = file::stem(file.as_deref(), directory);
    if let Some((profile, chosen_by)) = profile {
        check_name(profile, chosen_by)?;
        let beside = file::find_profile(&stem, profile)?;
        if !profiles.contains_key(profile) && beside.is_none() {
            let known: BTreeSet<String> =
                profiles.keys().cloned().chain(beside_all(&stem).into_iter().map(|(name, _)| name)).collect();
            let hint = text::did_you_mean(profile, known.iter().map(String::as_str));
            let stem = if file.is_some() { file::show(&stem) } else { "larder".to_owned() };
            let message = format!(
                "the profile {profile:?} is not found{hint} There is neither a section [profiles.{profile}] nor a \
                 file {stem}.{profile}.toml"
            );
            return Err(Mistake::in_place(chosen_by.clone(), message));
        }
        if let Some(section) = profiles.remove(profile) {
            files.layers.push(self::section(profile, section, &shown, &mut places)?);
        }
        if let Some(beside) = beside {
            let origin = Origin::new(Layer::ProfileFile, file::show(&beside));
            let (dict, places) = file::read(&beside, &origin)?;
            files.layers.push(Provided::in_file(origin, dict, places));
        }
    }
    for (name, section) in profiles.into_iter().take(MOST) {
        files.others.push(self::section(&name, section, &shown, &mut places)?);
    }
    let chosen = profile.map(|(name, _)| name.as_str());
    for (_, path) in
        beside_all(&stem).into_iter().filter(|(name, _)| Some(name.as_str()) != chosen).take(MOST)
    {
        let origin = Origin::new(Layer::ProfileFile, file::show(&path));
        match file::read(&path, &origin) {
            // Something else may be called so: `larder.schema.json`, `larder.example.toml`.
            Ok((dict, places)) if is_profile(&dict, sections) => {
                files.others.push(Provided::in_file(origin, dict, places));
            }
            Ok(_) => {}
            Err(mistake) => files.unreadable.push(mistake),
        }
    }
    Ok(files)
}

/// Whether a file holds some sections of a configuration, and not all of one with its profiles.
fn is_profile(dict: &Dict, sections: &[&str]) -> bool {
    !dict.contains_key("profiles") && dict.keys().any(|key| sections.contains(&key.as_str()))
}

fn section(name: &str, section: Value, file: &str, places: &mut Places) -> Result<Provided, Mistake> {
    let below = places.take(name);
    let origin = Origin::new(Layer::ProfileSection, file);
    let Value::Dict(_, section) = section else {
        let here = origin.at(below.find(&[]));
        return Err(Mistake::new(&KeyPath::new(["profiles", name]), Some(here), "expected a table"));
    };
    Ok(Provided::in_file(origin, section, below))
}

/// The files of all profiles beside the configuration file, by profile. None if the directory cannot be listed.
fn beside_all(stem: &Path) -> Vec<(String, PathBuf)> {
    let Some(start) = stem.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
    let directory = stem.parent().filter(|parent| !parent.as_os_str().is_empty());
    let Ok(entries) = fs::read_dir(directory.unwrap_or(Path::new("."))) else { return Vec::new() };
    let profile = |path: &Path| {
        let name = path.file_name()?.to_str()?.strip_prefix(start)?.strip_prefix('.')?;
        let (profile, extension) = name.rsplit_once('.')?;
        let fits = file::EXTENSIONS.contains(&extension) && is_name(profile);
        fits.then(|| profile.to_owned())
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut all: Vec<(String, PathBuf)> = paths.filter_map(|path| Some((profile(&path)?, path))).collect();
    all.sort();
    all
}

/// The name becomes a part of a file's name, so it must not be able to leave the directory.
fn check_name(profile: &str, chosen_by: &Origin) -> Result<(), Mistake> {
    if is_name(profile) && !secrecy::looks_secret(profile) {
        return Ok(());
    }
    let message = format!(
        "{} is not the name of a profile; use letters, digits, - and _, up to {} of them",
        secrecy::quoted(profile),
        text::LONGEST
    );
    Err(Mistake::in_place(chosen_by.clone(), message))
}

fn is_name(profile: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    !profile.is_empty() && profile.len() <= text::LONGEST && profile.chars().all(fits)
}
