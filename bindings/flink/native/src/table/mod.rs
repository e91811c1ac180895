//! Tables of our own connectors, read and written from Java.

mod reading;
mod types;
mod writing;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use tidegate_connectors::{Table, TableSpec, open_table};

pub(crate) use self::reading::{Reading, ScanOf};
pub(crate) use self::writing::{SinkOf, Writing, commit};
use crate::exception::Failure;

/// A table as Java declares it.
pub(crate) struct Declared {
    table: Arc<dyn Table>,
    name: String,
    schema: SchemaRef,
    folder: String,
}

impl Declared {
    /// Opens the table of a declaration: its name, the folder that paths start from, the number of columns, the name and the type of
    /// each, and the key and the value of each option.
    pub(crate) fn open(texts: &[String]) -> Result<Self, Failure> {
        let broken = || Failure::Contract("the declaration of a table is not as agreed".to_string());
        let [name, folder, columns, rest @ ..] = texts else { return Err(broken()) };
        let columns: usize = columns.parse().map_err(|_| broken())?;
        let (pairs, []) = rest.as_chunks::<2>() else { return Err(broken()) };
        let (columns, options) = pairs.split_at_checked(columns).ok_or_else(broken)?;
        let field = |[column, written]: &[String; 2]| match types::arrow_type(written) {
            Some(data_type) => Ok(Field::new(column, data_type, true)),
            None => Err(Failure::Contract(format!(
                "table '{name}', column '{column}': {written} cannot be read or written here; what can are {}",
                types::KNOWN
            ))),
        };
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Result<Vec<_>, _>>()?));
        let spec = TableSpec {
            name: name.clone(),
            schema: Arc::clone(&schema),
            options: options.iter().map(|[key, value]| (key.clone(), value.clone())).collect(),
            base_dir: folder.into(),
        };
        Ok(Self { table: open_table(&spec)?, name: name.clone(), schema, folder: folder.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(texts: &[&str]) -> Result<Declared, String> {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        Declared::open(&texts).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_declaration_is_checked_by_the_connector() {
        let table = ["visits", "/data", "1", "id", "BIGINT", "connector", "filesystem", "format", "csv"];
        let path = ["path", "visits.csv"];
        let opened = open(&[&table[..], &path].concat()).unwrap();
        assert_eq!((opened.name.as_str(), opened.schema.field(0).name().as_str()), ("visits", "id"));
        assert!(open(&table).err().unwrap().contains("'path'"));
        let wrong = open(&[&table[..], &path, &["csv.null-litral", ""]].concat()).err().unwrap();
        assert!(wrong.contains("csv.null-literal"), "{wrong}");
        let list = open(&["visits", "/", "1", "words", "ARRAY<INT>", "connector", "filesystem"]).err().unwrap();
        assert!(list.contains("table 'visits', column 'words': ARRAY<INT> cannot be"), "{list}");
    }

    #[test]
    fn a_broken_declaration_is_refused() {
        for texts in [&[][..], &["t", "/"], &["t", "/", "x"], &["t", "/", "2", "a", "INT"], &["t", "/", "0", "key"]] {
            assert!(open(texts).err().unwrap().contains("not as agreed"), "{texts:?}");
        }
    }
}
