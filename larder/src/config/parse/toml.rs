//! TOML, by the crate of that name, which keeps the place of each key and value.

use figment::value::{Dict, Num, Tag, Value};
use toml::de::{DeTable, DeValue};

use super::{Document, Lines, MAX_DEPTH, Places, Syntax};
use crate::config::path::Segment;

pub(super) fn parse(text: &str) -> Result<Document, Syntax> {
    let lines = Lines::new(text);
    let root = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        Syntax::new(lines.position(offset), error.message().replace('\n', ", "))
    })?;
    let (dict, places) = table(root.get_ref(), &lines, 0)?;
    Ok(Document { value: Value::Dict(Tag::Default, dict), places })
}

fn table(table: &DeTable<'_>, lines: &Lines<'_>, depth: usize) -> Result<(Dict, Places), Syntax> {
    let (mut dict, mut places) = (Dict::new(), Places::default());
    for (key, value) in table {
        let at = lines.position(key.span().start);
        let (value, below) = self::value(value.get_ref(), lines, value.span().start, depth + 1)?;
        dict.insert(key.get_ref().to_string(), value);
        places.insert(Segment::Key(key.get_ref().to_string()), below.moved_to(at));
    }
    Ok((dict, places))
}

fn value(
    value: &DeValue<'_>,
    lines: &Lines<'_>,
    start: usize,
    depth: usize,
) -> Result<(Value, Places), Syntax> {
    let refuse = |why: String| Err(Syntax::new(lines.position(start), why));
    if depth > MAX_DEPTH {
        return refuse(format!("lists and tables are nested more than {MAX_DEPTH} deep"));
    }
    let value = match value {
        DeValue::String(text) => Value::from(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::from(number),
            Err(_) => return refuse("the number has more than 64 bits".to_owned()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Value::Num(Tag::Default, Num::F64(number)),
            Err(_) => return refuse("the number cannot be read".to_owned()),
        },
        DeValue::Boolean(is) => Value::from(*is),
        DeValue::Datetime(_) => {
            return refuse("found a date or time, which no setting is; put text into quotes".to_owned());
        }
        DeValue::Array(elements) => {
            let mut values = Vec::new();
            let mut places = Places::new(lines.position(start));
            for (index, element) in elements.iter().enumerate() {
                let (value, below) = self::value(element.get_ref(), lines, element.span().start, depth + 1)?;
                values.push(value);
                places.insert(Segment::Index(index), below);
            }
            return Ok((Value::Array(Tag::Default, values), places));
        }
        DeValue::Table(below) => {
            let (dict, places) = table(below, lines, depth)?;
            return Ok((Value::Dict(Tag::Default, dict), places.moved_to(lines.position(start))));
        }
    };
    Ok((value, Places::new(lines.position(start))))
}
