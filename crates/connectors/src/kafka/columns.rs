//! Which columns are in the keys of messages and which in the values.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use tidegate_options::{Options, nearest};

use crate::{Error, Result};

/// Some columns of a table, as a format sees them.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// Their places in the table.
    pub(super) places: Vec<usize>,
    /// Their types, and their names in the messages.
    pub(super) schema: SchemaRef,
}

impl Columns {
    fn new(table: &Schema, places: Vec<usize>, prefix: &str) -> Self {
        let field = |place: &usize| {
            let field = table.field(*place);
            let name = field.name().strip_prefix(prefix).unwrap_or(field.name());
            field.clone().with_name(name)
        };
        let schema = Arc::new(Schema::new(places.iter().map(field).collect::<Vec<_>>()));
        Self { places, schema }
    }
}

/// The columns in the key, if any are declared to be, and those in the value.
pub(super) fn of(table: &str, schema: &Schema, options: &Options) -> Result<(Option<Columns>, Columns)> {
    let except = options.text("value.fields-include") == "EXCEPT_KEY";
    let prefix = options.text("key.fields-prefix");
    let wrong = |option: &str, message: String| Err(Error::declaration(table, Some(option), message));
    match (options.is_given("key.format"), options.is_given("key.fields")) {
        (true, false) => {
            return wrong("key.format", "'key.format' needs 'key.fields', the columns in the key".to_string());
        }
        (false, true) => {
            return wrong("key.fields", "'key.fields' needs 'key.format', the format of the key".to_string());
        }
        _ => {}
    }
    if !prefix.is_empty() && !except {
        let message =
            "'key.fields-prefix' needs 'value.fields-include' = 'EXCEPT_KEY': the values' columns have no prefix";
        return wrong("key.fields-prefix", message.to_string());
    }
    let mut key = Vec::new();
    for name in options.text("key.fields").split(';').map(str::trim).filter(|name| !name.is_empty()) {
        let names = || schema.fields().iter().map(|field| field.name().as_str());
        let Some(place) = names().position(|known| known == name) else {
            let hint = match nearest(name, names()) {
                Some(near) => format!("; did you mean '{near}'?"),
                None => format!("; there is: {}", names().collect::<Vec<_>>().join(", ")),
            };
            return wrong("key.fields", format!("'key.fields': the table has no column '{name}'{hint}"));
        };
        if !name.starts_with(prefix) {
            let message = format!("'key.fields': '{name}' does not begin with 'key.fields-prefix' = '{prefix}'");
            return wrong("key.fields", message);
        }
        if key.contains(&place) {
            return wrong("key.fields", format!("'key.fields' has '{name}' twice"));
        }
        key.push(place);
    }
    if key.is_empty() && options.is_given("key.fields") {
        return wrong("key.fields", "'key.fields' names no column".to_string());
    }
    let value = (0..schema.fields().len()).filter(|place| !(except && key.contains(place))).collect();
    let key = (!key.is_empty()).then(|| Columns::new(schema, key, prefix));
    Ok((key, Columns::new(schema, value, "")))
}
