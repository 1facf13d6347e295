//! The table. The first line that fits counts.

use super::{ReadKind, WriteKind};

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seg {
    /// This word, written in no other way.
    Word(&'static str),
    /// A target expression.
    Target,
    /// One segment, whatever it is: an identifier that a client chose may look like anything.
    Any,
    /// Whatever follows, also nothing. Last.
    Rest,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    Read(ReadKind),
    /// Reads that see writes before a refresh.
    RealTime(ReadKind),
    Mget,
    Msearch {
        template: bool,
    },
    Bulk,
    /// To the target in the path; to everything, where there is none.
    Write(WriteKind),
    /// To everything, whatever the path says.
    WriteAll(WriteKind),
    Never,
}

pub(super) struct Line {
    pub(super) methods: &'static str,
    pub(super) pattern: &'static [Seg],
    pub(super) rule: Rule,
}

const T: Seg = Seg::Target;
const X: Seg = Seg::Any;
const REST: Seg = Seg::Rest;

const fn w(word: &'static str) -> Seg {
    Seg::Word(word)
}

/// Reads by GET and by POST.
const GP: &str = "GET POST";
const PP: &str = "POST PUT";
const PPD: &str = "POST PUT DELETE";

macro_rules! table {
    ($($methods:expr, [$($seg:expr),*] => $rule:expr;)*) => {
        &[$(Line { methods: $methods, pattern: &[$($seg),*], rule: $rule }),*]
    };
}

use Rule::{Bulk, Mget, Msearch, Never, Read, RealTime, Write, WriteAll};

pub(super) const TABLE: &[Line] = table! {
    // Reads, the most frequent first.
    GP, [T, w("_search")] => Read(ReadKind::Search);
    GP, [w("_search")] => Read(ReadKind::Search);
    "GET", [T, w("_doc"), X] => RealTime(ReadKind::Doc);
    GP, [T, w("_count")] => Read(ReadKind::Count);
    GP, [w("_count")] => Read(ReadKind::Count);
    GP, [T, w("_msearch")] => Msearch { template: false };
    GP, [w("_msearch")] => Msearch { template: false };
    GP, [T, w("_msearch"), w("template")] => Msearch { template: true };
    GP, [w("_msearch"), w("template")] => Msearch { template: true };
    GP, [T, w("_mget")] => Mget;
    GP, [w("_mget")] => Mget;
    "GET", [T, w("_source"), X] => RealTime(ReadKind::Source);
    GP, [T, w("_search"), w("template")] => Read(ReadKind::SearchTemplate);
    GP, [w("_search"), w("template")] => Read(ReadKind::SearchTemplate);
    // By POST as the client of Elasticsearch 9 sends it, with a query in the body.
    GP, [w("_cat"), w("count")] => Read(ReadKind::CatCount);
    GP, [w("_cat"), w("count"), T] => Read(ReadKind::CatCount);
    GP, [T, w("_field_caps")] => Read(ReadKind::FieldCaps);
    GP, [w("_field_caps")] => Read(ReadKind::FieldCaps);
    GP, [T, w("_explain"), X] => Read(ReadKind::Explain);
    GP, [T, w("_validate"), w("query")] => Read(ReadKind::ValidateQuery);
    GP, [w("_validate"), w("query")] => Read(ReadKind::ValidateQuery);
    GP, [T, w("_termvectors")] => Read(ReadKind::Termvectors);
    GP, [T, w("_termvectors"), X] => Read(ReadKind::Termvectors);
    GP, [T, w("_mtermvectors")] => Read(ReadKind::Mtermvectors);
    GP, [w("_mtermvectors")] => Read(ReadKind::Mtermvectors);
    GP, [T, w("_rank_eval")] => Read(ReadKind::RankEval);
    GP, [w("_rank_eval")] => Read(ReadKind::RankEval);
    GP, [T, w("_mvt"), X, X, X, X] => Read(ReadKind::Mvt);
    GP, [T, w("_terms_enum")] => Read(ReadKind::TermsEnum);
    GP, [T, w("_knn_search")] => Read(ReadKind::KnnSearch);
    GP, [w("_render"), w("template")] => Read(ReadKind::RenderTemplate);
    GP, [w("_render"), w("template"), X] => Read(ReadKind::RenderTemplate);
    GP, [w("_sql")] => Read(ReadKind::Sql);
    "POST", [w("_query")] => Read(ReadKind::Esql);
    GP, [T, w("_eql"), w("search")] => Read(ReadKind::Eql);

    // Writes.
    PP, [w("_bulk")] => Bulk;
    PP, [T, w("_bulk")] => Bulk;
    "POST", [T, w("_doc")] => Write(WriteKind::Document);
    PPD, [T, w("_doc"), X] => Write(WriteKind::Document);
    PP, [T, w("_create"), X] => Write(WriteKind::Document);
    "POST", [T, w("_update"), X] => Write(WriteKind::Document);
    "POST", [T, w("_delete_by_query")] => Write(WriteKind::ByQuery);
    "POST", [T, w("_update_by_query")] => Write(WriteKind::ByQuery);
    "POST", [w("_reindex")] => WriteAll(WriteKind::Reindex);
    "POST", [w("_aliases")] => WriteAll(WriteKind::Aliases);
    PPD, [T, w("_alias"), REST] => WriteAll(WriteKind::Aliases);
    PPD, [T, w("_aliases"), REST] => WriteAll(WriteKind::Aliases);
    PPD, [w("_alias"), REST] => WriteAll(WriteKind::Aliases);
    GP, [w("_refresh")] => Write(WriteKind::Refresh);
    GP, [T, w("_refresh")] => Write(WriteKind::Refresh);
    GP, [w("_flush"), REST] => Write(WriteKind::Refresh);
    GP, [T, w("_flush"), REST] => Write(WriteKind::Refresh);
    "POST", [w("_forcemerge")] => Write(WriteKind::Index);
    "POST", [T, w("_forcemerge")] => Write(WriteKind::Index);
    "POST", [w("_cache"), w("clear")] => Write(WriteKind::CacheClear);
    "POST", [T, w("_cache"), w("clear")] => Write(WriteKind::CacheClear);
    PPD, [T] => Write(WriteKind::Index);
    "POST", [T, w("_open")] => Write(WriteKind::Index);
    "POST", [T, w("_close")] => Write(WriteKind::Index);
    "PUT", [T, w("_block"), X] => Write(WriteKind::Index);
    PP, [T, w("_mapping"), REST] => Write(WriteKind::Index);
    PP, [w("_mapping"), REST] => Write(WriteKind::Index);
    PP, [T, w("_settings")] => Write(WriteKind::Index);
    PP, [w("_settings")] => Write(WriteKind::Index);
    PP, [T, w("_clone"), X] => WriteAll(WriteKind::Index);
    PP, [T, w("_split"), X] => WriteAll(WriteKind::Index);
    PP, [T, w("_shrink"), X] => WriteAll(WriteKind::Index);
    "POST", [T, w("_rollover"), REST] => WriteAll(WriteKind::Index);
    PPD, [w("_data_stream"), REST] => WriteAll(WriteKind::Index);
    GP, [T, w("_reload_search_analyzers")] => Write(WriteKind::Index);
    "POST", [w("_snapshot"), X, X, w("_restore")] => WriteAll(WriteKind::Index);
    PPD, [w("_scripts"), REST] => WriteAll(WriteKind::Scripts);

    // What looks like a change and is none of what is found.
    GP, [w("_search"), w("scroll"), REST] => Never;
    "DELETE", [w("_search"), w("scroll"), REST] => Never;
    "GET POST DELETE", [w("_search"), w("point_in_time"), REST] => Never;
    "POST", [T, w("_search"), w("point_in_time")] => Never;
    "POST DELETE", [w("_pit")] => Never;
    "POST", [T, w("_pit")] => Never;
    "POST", [w("_async_search")] => Never;
    "POST", [T, w("_async_search")] => Never;
    "GET DELETE", [w("_async_search"), REST] => Never;
    "GET DELETE", [w("_eql"), w("search"), REST] => Never;
    "GET POST DELETE", [w("_query"), w("async"), REST] => Never;
    "GET POST DELETE", [w("_sql"), X, REST] => Never;
    GP, [w("_plugins"), w("_sql"), REST] => Never;
    GP, [w("_plugins"), w("_ppl"), REST] => Never;
    GP, [w("_tasks"), REST] => Never;
    "POST", [w("_reindex"), X, w("_rethrottle")] => Never;
    "POST", [w("_update_by_query"), X, w("_rethrottle")] => Never;
    "POST", [w("_delete_by_query"), X, w("_rethrottle")] => Never;
    GP, [w("_nodes"), REST] => Never;
    "GET POST PUT DELETE", [w("_cluster"), REST] => Never;
    GP, [w("_cat"), REST] => Never;
    "GET", [w("_stats"), REST] => Never;
    GP, [w("_analyze")] => Never;
    GP, [T, w("_analyze")] => Never;
    GP, [w("_search_shards")] => Never;
    GP, [T, w("_search_shards")] => Never;
    "GET POST PUT DELETE", [w("_ingest"), REST] => Never;
    "GET POST PUT DELETE", [w("_index_template"), REST] => Never;
    "GET POST PUT DELETE", [w("_component_template"), REST] => Never;
    "GET POST PUT DELETE", [w("_template"), REST] => Never;
    "GET POST PUT DELETE", [w("_snapshot"), REST] => Never;
    GP, [w("_security"), w("user"), w("_has_privileges")] => Never;
    GP, [w("_security"), w("user"), X, w("_has_privileges")] => Never;
    "GET", [w("_security"), REST] => Never;
    "POST PUT", [w("_security"), w("api_key")] => Never;
    "POST", [w("_security"), w("oauth2"), w("token")] => Never;
    "POST", [w("_security"), w("profile"), REST] => Never;
    PPD, [w("_security"), REST] => WriteAll(WriteKind::Security);
};
