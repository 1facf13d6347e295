//! The JSON Schema of a configuration, from the types that read it: for editors, and for checkers that run
//! before a deployment does.

use figment::value::{Dict, Value as Setting};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    model::{self, Frame, Identity, MEMORY, NONE, Policy},
    registry::Registry,
};

type Object = Map<String, Value>;

/// The JSON Schema (draft 2020-12) of a configuration whose backends, codecs and formats are those of this
/// registry. Needs the feature `schema`.
///
/// It knows less than [`build`](crate::LarderBuilder::build) does: whether a cache's store exists, say, and what of
/// it came from another layer.
///
/// ```
/// let schema = larder::schema(&larder::Registry::with_defaults());
/// assert_eq!(schema["properties"]["defaults"]["$ref"], "#/$defs/defaults");
/// ```
pub fn schema(registry: &Registry) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let policy = policy(registry, &mut generator);
    let mut cache = policy.clone();
    properties(&mut cache).extend(take_properties(of::<Identity>(&mut generator)));
    let (backends, whole, part) = stores(registry, &mut generator);
    let codecs = codecs(registry, &mut generator);

    // Their names begin with capitals, those of Larder's own do not.
    let mut definitions = generator.take_definitions(true);
    for definition in definitions.values_mut() {
        allow_references(definition);
    }
    let reference = json!({
        "description": "Text that is kept elsewhere: in a file, or in an environment variable.",
        "type": "object",
        "properties": { "file": { "type": "string" }, "env": { "type": "string" } },
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
    });
    definitions.extend(backends);
    definitions.extend([
        ("defaults".to_owned(), policy.into()),
        ("cache".to_owned(), cache.into()),
        ("store".to_owned(), whole),
        ("part-of-store".to_owned(), part),
        ("codecs".to_owned(), codecs),
        ("reference".to_owned(), reference),
    ]);
    let sections = |store: &str| {
        json!({
            "defaults": { "$ref": "#/$defs/defaults" },
            "stores": {
                "description": "The stores, by name. Without any there is one, \"main\", in memory.",
                "type": "object",
                "additionalProperties": { "$ref": format!("#/$defs/{store}") },
            },
            "codecs": { "$ref": "#/$defs/codecs" },
            "caches": {
                "description": "The caches, by name. Each inherits from [defaults] what it does not set.",
                "type": "object",
                "additionalProperties": { "$ref": "#/$defs/cache" },
            },
        })
    };
    let mut all = sections("store");
    all["$schema"] = json!({ "type": "string" });
    all["profiles"] = json!({
        "description": "What applies instead when a profile is chosen.",
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": sections("part-of-store"),
            "additionalProperties": false,
        },
    });
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of Larder",
        "type": "object",
        "properties": all,
        "additionalProperties": false,
        "$defs": definitions,
    });
    tidy(&mut schema);
    schema
}

/// What every cache has, with the built-in defaults.
fn policy(registry: &Registry, generator: &mut SchemaGenerator) -> Object {
    let mut policy = of::<Policy>(generator);
    policy.remove("required");
    policy.insert("description".into(), "What every cache inherits unless it sets it itself.".into());
    let formats: Vec<&str> = registry.formats().names().collect();
    let codecs: Vec<&str> = [NONE].into_iter().chain(registry.codec_names()).collect();
    let properties = properties(&mut policy);
    properties["format"]["enum"] = json!(formats);
    properties["codec"]["enum"] = json!(codecs);
    let built_in = model::built_in().remove("defaults").and_then(Setting::into_dict).unwrap_or_default();
    set_defaults(properties, &built_in);
    policy
}

fn set_defaults(properties: &mut Object, defaults: &Dict) {
    for (key, value) in defaults {
        if let (Some(property), Some(text)) = (properties.get_mut(key), value.as_str()) {
            property["default"] = text.into();
        }
    }
}

/// A definition for the settings of each backend; a store with everything that its backend needs; and a store of
/// which another layer says the rest.
fn stores(registry: &Registry, generator: &mut SchemaGenerator) -> (Vec<(String, Value)>, Value, Value) {
    let frame = take_properties(of::<Frame>(generator));
    let mut definitions = Vec::new();
    let mut whole = Vec::new();
    let mut parts = Vec::new();
    for (position, (name, kind)) in registry.backends().enumerate() {
        let mut store = kind.schema.map_or_else(anything, |settings| object(settings(generator)));
        let names: Vec<&str> = if registry.resolve(MEMORY) == name { vec![MEMORY, name] } else { vec![name] };
        store.insert("title".into(), name.into());
        let properties = properties(&mut store);
        properties.extend(frame.clone());
        properties["backend"] = json!({ "description": frame["backend"]["description"], "enum": names });
        allow_references_in(&mut store);
        let mut required = store.remove("required").unwrap_or_else(|| json!([]));
        if let Some(required) = required.as_array_mut() {
            required.push("backend".into());
        }
        // In a reference, some characters would have to be escaped.
        let is_plain = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '-');
        let definition = if is_plain { format!("store-{name}") } else { format!("store-{position}") };
        let reference = format!("#/$defs/{definition}");
        definitions.push((definition, store.into()));
        whole.push(json!({ "$ref": reference, "required": required }));
        parts.push(json!({ "$ref": reference }));
    }
    let about = "A store: its backend, and the settings of that backend.";
    (
        definitions,
        json!({ "description": about, "oneOf": whole }),
        json!({ "description": about, "anyOf": parts }),
    )
}

fn codecs(registry: &Registry, generator: &mut SchemaGenerator) -> Value {
    let mut all = Object::new();
    for (name, kind) in registry.codecs() {
        let mut codec = kind.schema.map_or_else(anything, |settings| object(settings(generator)));
        allow_references_in(&mut codec);
        all.insert(name.to_owned(), codec.into());
    }
    json!({
        "description": "The settings of codecs, by name.",
        "type": "object",
        "properties": all,
        "additionalProperties": false,
    })
}

/// Settings that nobody has described.
fn anything() -> Object {
    Object::from_iter([("type".to_owned(), json!("object"))])
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Object {
    object(T::json_schema(generator))
}

fn object(schema: Schema) -> Object {
    match schema.to_value() {
        Value::Object(object) => object,
        // `true`: anything.
        _ => anything(),
    }
}

fn properties(schema: &mut Object) -> &mut Object {
    let properties = schema.entry("properties").or_insert_with(|| Object::new().into());
    if !properties.is_object() {
        *properties = Object::new().into();
    }
    match properties {
        Value::Object(properties) => properties,
        // It was just made one.
        _ => unreachable!("an object"),
    }
}

fn take_properties(mut schema: Object) -> Object {
    std::mem::take(properties(&mut schema))
}

fn allow_references(schema: &mut Value) {
    if let Value::Object(schema) = schema {
        allow_references_in(schema);
    }
}

/// Wherever a setting is text, it may also say where the text is kept.
fn allow_references_in(schema: &mut Object) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for property in properties.values_mut() {
        allow_references(property);
        let is_text = match &property["type"] {
            Value::String(only) => only == "string",
            Value::Array(several) => several.contains(&json!("string")),
            _ => false,
        };
        if is_text && property.get("enum").is_none() && property.get("const").is_none() {
            let mut outer = Object::new();
            if let Value::Object(inner) = property {
                outer.extend(["description", "default"].iter().filter_map(|key| inner.remove_entry(*key)));
            }
            outer.insert("anyOf".into(), json!([property.take(), { "$ref": "#/$defs/reference" }]));
            *property = outer.into();
        }
    }
}

/// Takes out what only Rust needs: nulls for what is not given, and the code and the links of its documentation.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(several) => several.iter_mut().for_each(tidy),
        Value::Object(object) => {
            if let Some(Value::String(description)) = object.get_mut("description") {
                *description = plain(description);
            }
            object.retain(|key, value| key != "default" || !value.is_null());
            if let Some(types) = object.get_mut("type") {
                without_null(types, &json!("null"));
            }
            if let Some(choices) = object.get_mut("anyOf") {
                without_null(choices, &json!({ "type": "null" }));
                if let Value::Object(only) = choices {
                    let only = std::mem::take(only);
                    object.remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

/// The choices without the one of null; if only one is left, that one.
fn without_null(choices: &mut Value, null: &Value) {
    if let Value::Array(several) = choices
        && several.contains(null)
    {
        several.retain(|choice| choice != null);
        if let [only] = &mut several[..] {
            *choices = only.take();
        }
    }
}

/// Documentation as plain text.
fn plain(documentation: &str) -> String {
    let text = documentation.split("```").next().unwrap_or_default().trim().replace('\n', " ");
    let mut plain = String::with_capacity(text.len());
    let mut rest = &text[..];
    while let Some((before, link)) = rest.split_once("[`") {
        plain.push_str(before);
        let Some((name, after)) = link.split_once("`]") else {
            plain.push_str("[`");
            rest = link;
            break;
        };
        plain.push_str(name);
        rest = match after.strip_prefix('(') {
            Some(target) => target.split_once(')').map_or("", |(_, after)| after),
            None => after,
        };
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_becomes_plain() {
        let documentation = "The [`A`] of a\n[`b::C`](crate::b::C), `d`.\n\n```\ncode\n```\nmore";
        assert_eq!(plain(documentation), "The A of a b::C, `d`.");
        assert_eq!(plain("an [`open link"), "an [`open link");
    }

    #[test]
    fn null_is_no_choice() {
        let mut schema = json!({
            "type": ["string", "null"],
            "default": null,
            "properties": { "a": { "anyOf": [{ "$ref": "#/x" }, { "type": "null" }], "description": "d" } },
        });
        tidy(&mut schema);
        assert_eq!(
            schema,
            json!({
                "type": "string",
                "properties": { "a": { "$ref": "#/x", "description": "d" } },
            })
        );
    }
}
