//! Where the order of members means something to Elasticsearch and OpenSearch.

use crate::canonical::Keep;

/// By the member's name, wherever it stands. A field of a document that has such a name keeps its order, too, which costs a hit
/// and never an answer.
pub fn order(name: &[u8]) -> Keep {
    match name {
        // What is sorted by first; the terms aggregation's order.
        b"sort" | b"order"
        // The answer lists these in the order of the question.
        | b"aggs" | b"aggregations" | b"fields" | b"filters" | b"suggest" | b"script_fields"
        // The first that fits counts.
        | b"indices_boost" => Keep::Members,
        // Of `gt` and `gte`, `from` and `include_lower`, the last counts.
        b"range"
        // Echoed as they are, or iterated over by a template.
        | b"params" | b"meta" | b"_meta" | b"ext" => Keep::All,
        _ => Keep::Sorted,
    }
}
