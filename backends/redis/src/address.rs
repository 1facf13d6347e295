//! Where the server is: what a URL says, taken apart and checked.

use std::fmt;

use larder_core::settings::Secret;
use larder_net::Address;
use percent_encoding::percent_decode_str;
use url::Url;

const DEFAULT_PORT: u16 = 6379;

/// All that a URL says. `Display` has no credentials in it.
#[derive(Debug)]
pub(crate) struct Location {
    pub(crate) address: Address,
    pub(crate) tls: bool,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: Option<u32>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp { .. } if self.tls => write!(f, "rediss://{}", self.address),
            Address::Tcp { .. } => write!(f, "redis://{}", self.address),
            other => other.fmt(f),
        }
    }
}

/// Takes a URL apart. The error says what is wrong and holds nothing of the URL but its scheme.
pub(crate) fn parse(text: &str) -> Result<Location, String> {
    if !text.contains("://") {
        // Not the text, which may be a password that was put here.
        return Err(
            "is not a URL; write it like \"redis://host:6379\", or \"rediss://host:6379\" for TLS".into()
        );
    }
    check_credentials(text)?;
    let url = Url::parse(text).map_err(|why| {
        format!("{why}; write it like \"redis://host:6379/0\", and special characters of a password as %XX")
    })?;
    if url.fragment().is_some() {
        return Err(
            "a URL of a Redis server has no part after \"#\"; write a \"#\" in a password as %23, and \
                    certificates are always checked"
                .into(),
        );
    }
    match url.scheme() {
        "redis" | "valkey" => tcp(&url, false),
        "rediss" | "valkeys" => tcp(&url, true),
        "unix" | "redis+unix" | "valkey+unix" => unix(&url),
        other => Err(format!("\"{other}://\" is none of redis://, rediss:// and unix://")),
    }
}

/// Before the last `@`, characters that end the credentials for a URL have to be escaped.
fn check_credentials(text: &str) -> Result<(), String> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    if scheme.ends_with("unix") {
        return Ok(());
    }
    let (credentials, _) = rest.rsplit_once('@').unwrap_or_default();
    let wrong = credentials.chars().find(|character| ['/', '?', '#', '@', ' '].contains(character));
    wrong.map_or(Ok(()), |wrong| {
        Err(format!(
            "the user or the password has a \"{wrong}\"; write it as %{:02X}, or give the password as `password` or \
             `password_file` instead",
            u32::from(wrong)
        ))
    })
}

fn tcp(url: &Url, tls: bool) -> Result<Location, String> {
    let host = match url.host() {
        None | Some(url::Host::Domain("")) => return Err("there is no host in the URL".into()),
        Some(url::Host::Domain(name)) => name.to_owned(),
        Some(url::Host::Ipv4(address)) => address.to_string(),
        Some(url::Host::Ipv6(address)) => address.to_string(),
    };
    if let Some((name, _)) = url.query_pairs().next() {
        return Err(unknown_option(&name, "write options as settings of the store"));
    }
    let database = match url.path().trim_matches('/') {
        "" => None,
        path => Some(database(path)?),
    };
    let username = match url.username() {
        "" => None,
        name => Some(decoded(name)?),
    };
    Ok(Location {
        address: Address::tcp(host, url.port().unwrap_or(DEFAULT_PORT)),
        tls,
        username,
        password: url.password().map(decoded).transpose()?.map(Secret::new),
        database,
    })
}

fn unix(url: &Url) -> Result<Location, String> {
    let path = decoded(url.path())?;
    if url.host_str().is_some_and(|host| !host.is_empty()) || !path.starts_with('/') {
        return Err("the path of a socket must be absolute; write it like unix:///run/redis.sock".into());
    }
    let mut location = Location {
        address: Address::Unix(path.into()),
        tls: false,
        username: None,
        password: None,
        database: None,
    };
    for (name, value) in url.query_pairs() {
        match &*name {
            "db" => location.database = Some(database(&value)?),
            "user" => location.username = Some(value.into_owned()),
            "pass" => location.password = Some(Secret::new(value)),
            other => return Err(unknown_option(other, "the URL of a socket has db, user and pass")),
        }
    }
    Ok(location)
}

/// The options of other clients are named. Anything else may be the end of a password that holds a `&`.
fn unknown_option(name: &str, accepted: &str) -> String {
    const OTHERS: [&str; 12] = [
        "protocol",
        "timeout",
        "connect_timeout",
        "socket_timeout",
        "pool_size",
        "max_connections",
        "ssl_cert_reqs",
        "password",
        "username",
        "database",
        "addr",
        "client_name",
    ];
    let named = if OTHERS.contains(&name) {
        format!("\"?{name}=\" is")
    } else {
        "the URL has an option that is".into()
    };
    format!("{named} not known here; {accepted}, and a \"&\" or \"?\" in a password is written as %26 or %3F")
}

fn database(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| {
        "what follows the host is not the number of a database; write it like \"redis://host:6379/0\"".into()
    })
}

fn decoded(part: &str) -> Result<String, String> {
    let decoded = percent_decode_str(part).decode_utf8();
    decoded.map(Into::into).map_err(|_| "a part of the URL that is escaped with % is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let location = parse(text).unwrap();
        let Location { username, password, database, .. } = &location;
        format!("{location} {username:?} {:?} {database:?}", password.as_ref().map(Secret::expose))
    }

    #[test]
    fn urls_as_people_write_them() {
        for (url, expected) in [
            ("redis://db", "redis://db:6379 None None None"),
            ("redis://db:7/", "redis://db:7 None None None"),
            ("valkey://db:7/3", "redis://db:7 None None Some(3)"),
            ("rediss://u:p%40%2F@[::1]:7/0", "rediss://[::1]:7 Some(\"u\") Some(\"p@/\") Some(0)"),
            ("redis://:p@10.0.0.1", "redis://10.0.0.1:6379 None Some(\"p\") None"),
            ("unix:///run/r.sock", "unix:///run/r.sock None None None"),
            ("redis+unix:///a%20b?db=2&user=u&pass=p%26", "unix:///a b Some(\"u\") Some(\"p&\") Some(2)"),
        ] {
            assert_eq!(shown(url), expected, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for (url, hint) in [
            ("hunter2", "redis://host"),
            ("http://u:hunter2@db", "rediss://"),
            ("redis://", "no host"),
            ("redis://u:hunter2#x@db", "%"),
            ("rediss://u:hunter2@db/#insecure", "always checked"),
            ("localhost:6379", "redis://host:6379"),
            ("redis://u:hun/ter2@db", "%2F"),
            ("redis://u:hunter2?x@db", "%3F"),
            ("redis://u:p@hunter2@db", "%40"),
            ("redis+unix:///r.sock?pass=p&hunter2", "%26"),
            ("redis://u:hunter2@db/x", "not the number"),
            ("redis://u:hunter2@db/-1", "not the number"),
            ("redis://u:hunter2@db?protocol=resp3", "protocol"),
            ("redis://u:hunter2@db:x", "port"),
            ("redis://u:%ff@db", "UTF-8"),
            ("unix:///s?password=hunter2", "password="),
            ("unix://relative/s", "absolute"),
        ] {
            let why = parse(url).unwrap_err();
            assert!(why.contains(hint), "{url}: {why}");
            assert!(!why.contains("hunter2"), "{url}: {why}");
        }
    }
}
