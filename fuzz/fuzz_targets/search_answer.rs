//! What may be stored: nothing that says that it is not whole, in whatever way it is written.
#![no_main]

use arbitrary::Arbitrary;
use larder_fuzz::Json;
use larder_http::{
    search::{ReadKind, storable},
    solr,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[derive(Debug, Arbitrary)]
struct Input {
    kind: u8,
    status: u16,
    members: Vec<Member>,
    style: u8,
    raw: Option<Vec<u8>>,
}

/// Of an answer's top.
#[derive(Debug, Arbitrary)]
enum Member {
    Took(u32),
    TimedOut(Json),
    Shards(Vec<(u8, Json)>),
    Clusters(Vec<(u8, Json)>),
    IsPartial(Json),
    IsRunning(Json),
    Found(bool),
    Header(Vec<(u8, Json)>),
    Hits(Json),
    Other(String, Json),
}

const KINDS: &[ReadKind] = &[
    ReadKind::Search,
    ReadKind::Count,
    ReadKind::Doc,
    ReadKind::FieldCaps,
    ReadKind::Explain,
    ReadKind::Esql,
    ReadKind::Eql,
];
const INNER: &[&str] = &[
    "failed",
    "total",
    "successful",
    "skipped",
    "partial",
    "failures",
    "status",
    "QTime",
    "partialResults",
    "zkConnected",
    "running",
];

impl Member {
    fn write(&self, style: u8) -> String {
        let inner = |members: &[(u8, Json)]| {
            let members: Vec<_> = members
                .iter()
                .map(|(name, value)| {
                    format!("{:?}:{}", INNER[usize::from(*name) % INNER.len()], value.write(style))
                })
                .collect();
            format!("{{{}}}", members.join(","))
        };
        match self {
            Self::Took(took) => format!("\"took\":{took}"),
            Self::TimedOut(value) => format!("\"timed_out\" :{}", value.write(style)),
            Self::Shards(members) => format!("\"_shards\":{}", inner(members)),
            Self::Clusters(members) => format!("\"_clusters\":{}", inner(members)),
            Self::IsPartial(value) => format!("\"is_partial\":{}", value.write(style)),
            Self::IsRunning(value) => format!("\"is_running\":{}", value.write(style)),
            Self::Found(found) => format!("\"found\":{found}"),
            Self::Header(members) => format!("\"responseHeader\":{}", inner(members)),
            Self::Hits(value) => format!("\"hits\":{}", value.write(style)),
            Self::Other(name, value) => {
                format!("{}:{}", Json::Text(name.clone()).write(style), value.write(style))
            }
        }
    }
}

fuzz_target!(|input: Input| {
    let body = input.raw.unwrap_or_else(|| {
        let members: Vec<_> = input.members.iter().map(|member| member.write(input.style)).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    });
    // Mostly what could be stored.
    let status = if input.status % 4 == 0 { input.status } else { 200 };
    let kind = KINDS[usize::from(input.kind) % KINDS.len()];
    let (search, solr) = (storable(kind, status, &body), solr::storable(status, &body));
    assert!(status == 200 || search.is_err() && solr.is_err());
    if search.is_err() && solr.is_err() {
        return;
    }
    // What an f64 does not hold has no value here, and neither has what is nested more than serde follows.
    let Ok(answer) = serde_json::from_slice::<Value>(&body) else { return };
    let is_nothing = |value: &Value| matches!(value.as_f64(), Some(0.0));
    if search.is_ok() {
        for flag in ["timed_out", "is_partial", "is_running"] {
            assert_ne!(answer.get(flag), Some(&Value::Bool(true)), "{flag}");
        }
        if let Some(shards) = answer.get("_shards") {
            assert!(shards.get("failed").is_none_or(is_nothing), "{shards}");
        }
        if matches!(kind, ReadKind::Search | ReadKind::Count) {
            let failed = answer.get("_shards").and_then(|shards| shards.get("failed"));
            assert!(failed.is_some(), "it does not say whether it is whole");
        }
        if kind == ReadKind::Search {
            assert_eq!(answer.get("timed_out"), Some(&Value::Bool(false)));
        }
        if kind == ReadKind::Doc {
            assert_eq!(answer.get("found"), Some(&Value::Bool(true)));
        }
    }
    if solr.is_ok() {
        let header = answer.get("responseHeader").expect("it has said that it is whole");
        assert!(header.get("status").is_some_and(is_nothing), "{header}");
        assert!(
            header.get("partialResults").is_none_or(|partial| partial == &Value::Bool(false)),
            "{header}"
        );
        assert!(answer.get("error").is_none());
    }
});
