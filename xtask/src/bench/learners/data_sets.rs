//! The data sets of the bench: each as CSV, as MOA's text (ARFF), and as the script by which ours goes over it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, data, process, workspace};

/// A file that is fetched, and what to predict of its rows.
pub struct DataSet {
    /// Its name, which is also its folder's.
    pub name: &'static str,
    /// The data set that has it, and its name there.
    source: (&'static str, &'static str),
    /// The label's column; every other is a number.
    label: &'static str,
    /// The label's classes; none if it is a number.
    pub classes: &'static [&'static str],
}

/// Two streams that are known to change or are long, and small ones for which results are published.
pub const DATA_SETS: &[DataSet] = &[
    DataSet { name: "elec", source: ("elec", "elec.csv"), label: "target", classes: &["0", "1"] },
    DataSet {
        name: "covertype",
        source: ("covertype", "covtype.csv"),
        label: "Cover_Type",
        classes: &["1", "2", "3", "4", "5", "6", "7"],
    },
    DataSet {
        name: "image segments",
        source: ("river", "segment.csv.zip"),
        label: "category",
        classes: &["brickface", "cement", "foliage", "grass", "path", "sky", "window"],
    },
    DataSet { name: "phishing", source: ("river", "phishing.csv.gz"), label: "is_phishing", classes: &["0", "1"] },
    DataSet { name: "chick weights", source: ("river", "chick-weights.csv"), label: "weight", classes: &[] },
];

/// A data set, ready.
pub struct Files {
    /// Where they are, and where results may go.
    pub folder: PathBuf,
    /// How many rows each file has.
    pub rows: u64,
    /// Header and numbers, each brought to 0 … 1 by its column's least and greatest value; the last column is the label.
    pub csv: PathBuf,
    /// The same rows for MOA.
    pub arff: PathBuf,
    /// Predicts each row, then learns it, and writes every prediction. Parameters: input, algorithm, output.
    pub script: PathBuf,
}

impl DataSet {
    /// Makes the files unless they are there, of at most so many rows.
    pub fn prepare(&self, rows_max: Option<u64>) -> Result<Files> {
        let rows = rows_max.map_or_else(|| "all".to_owned(), |rows| rows.to_string());
        let name = format!("{}-{rows}", self.name.replace(' ', "-"));
        let folder = workspace::data_folder()?.join("bench/learners").join(name);
        if !folder.exists() {
            eprintln!("{}: writing CSV and ARFF", self.name);
            // Beside its place, then moved there whole: a folder that exists is complete.
            let made = folder.with_extension("incomplete");
            fs::create_dir_all(&made)?;
            let table = self.read(rows_max)?;
            fs::write(made.join("data.csv"), format!("{},target\n{}", table.columns().join(","), table.body))?;
            fs::write(made.join("data.arff"), self.arff_header(&table) + &table.body)?;
            fs::write(made.join("rows"), table.rows.to_string())?;
            fs::rename(&made, &folder)?;
        }
        let rows = fs::read_to_string(folder.join("rows"))?.parse()?;
        let columns = first_line(&folder.join("data.csv"))?.matches(',').count();
        // It costs nothing to write, and may be another when this program is.
        fs::write(folder.join("prequential.sql"), self.script(columns))?;
        let file = |name| folder.join(name);
        Ok(Files { rows, csv: file("data.csv"), arff: file("data.arff"), script: file("prequential.sql"), folder })
    }

    fn read(&self, rows_max: Option<u64>) -> Result<Table> {
        let text = text_of(&data::fetch(data::named(self.source.0)?)?.join(self.source.1))?;
        let mut lines = text.lines();
        let header = lines.next().ok_or_else(|| format!("{}: the file is empty", self.name))?;
        let label = header.split(',').position(|column| column == self.label);
        let label = label.ok_or_else(|| format!("{}: no column is named {}", self.name, self.label))?;
        let rows: Vec<&str> = lines.take(rows_max.map_or(Ok(usize::MAX), usize::try_from)?).collect();
        Table::scaled(&rows, label).map_err(|error| format!("{}: {error}", self.name).into())
    }

    fn arff_header(&self, table: &Table) -> String {
        let label =
            if self.classes.is_empty() { "numeric".to_owned() } else { format!("{{{}}}", self.classes.join(",")) };
        let columns: String = table.columns().iter().map(|column| format!("@attribute {column} numeric\n")).collect();
        format!("@relation '{}'\n{columns}@attribute target {label}\n@data\n", self.name)
    }

    fn script(&self, columns: usize) -> String {
        let columns: Vec<String> = (1..=columns).map(|column| format!("f{column} DOUBLE")).collect();
        let columns = columns.join(", ");
        // The classes are known beforehand, as the peers know them.
        let (label, task) = match self.classes {
            [] => ("DOUBLE", "'task' = 'regression'".to_owned()),
            classes => ("STRING", format!("'task' = 'classification', 'classes' = '{}'", classes.join(","))),
        };
        format!(
            "\
CREATE TABLE observations ({columns}, target {label})
WITH ('connector' = 'filesystem', 'path' = '${{input}}', 'format' = 'csv');

CREATE MODEL learner
INPUT ({columns})
OUTPUT (predicted {label})
WITH ('provider' = 'tidegate', {task}, 'algorithm' = '${{algorithm}}');

CREATE TABLE predictions (target {label}, predicted {label})
WITH ('connector' = 'filesystem', 'path' = '${{output}}/predictions.csv', 'format' = 'csv');

INSERT OVERWRITE predictions
SELECT target, predicted
FROM ML_TRAIN(INPUT => TABLE observations, MODEL => MODEL learner, LABEL => DESCRIPTOR(target));
"
        )
    }
}

/// Rows of numbers and a label, as text.
struct Table {
    features: usize,
    rows: usize,
    /// A line a row: its numbers, each brought to 0 … 1, then its label.
    body: String,
}

impl Table {
    fn scaled(rows: &[&str], label: usize) -> Result<Self> {
        let mut ranges: Vec<(f64, f64)> = Vec::new();
        for row in rows {
            for (at, value) in features(row, label).enumerate() {
                let value = value?;
                if at == ranges.len() {
                    ranges.push((value, value));
                }
                ranges[at] = (ranges[at].0.min(value), ranges[at].1.max(value));
            }
        }
        let mut body = String::new();
        for row in rows {
            for ((low, high), value) in ranges.iter().zip(features(row, label)) {
                let scaled = if high > low { (value? - low) / (high - low) } else { 0.0 };
                // Six digits: as many as the sources' values have.
                write!(body, "{},", (scaled * 1e6).round() / 1e6)?;
            }
            writeln!(body, "{}", row.split(',').nth(label).ok_or_else(|| format!("a row without a label: {row}"))?)?;
        }
        Ok(Self { features: ranges.len(), rows: rows.len(), body })
    }

    fn columns(&self) -> Vec<String> {
        (1..=self.features).map(|column| format!("f{column}")).collect()
    }
}

/// The numbers of a row that are not its label.
fn features(row: &str, label: usize) -> impl Iterator<Item = Result<f64>> {
    let cells = row.split(',').enumerate().filter(move |(column, _)| *column != label);
    cells.map(|(_, cell)| cell.trim().parse().map_err(|error| format!("'{cell}': {error}").into()))
}

/// The text of a file that may be in an archive.
fn text_of(path: &Path) -> Result<String> {
    const PROGRAM: &str = "\
import gzip, shutil, sys, zipfile
path = sys.argv[1]
if path.endswith('.gz'):
    source = gzip.open(path)
else:
    archive = zipfile.ZipFile(path)
    source = archive.open(archive.namelist()[0])
shutil.copyfileobj(source, sys.stdout.buffer)
";
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz" | "zip") => process::output(Command::new("python3").args(["-c", PROGRAM]).arg(path)),
        _ => Ok(fs::read_to_string(path)?),
    }
}

fn first_line(path: &Path) -> Result<String> {
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(fs::File::open(path)?), &mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_brought_to_one_range_and_the_label_stands_last() {
        let table = Table::scaled(&["a,1,7,3", "b,2,7,5", "a,5,7,4"], 0).unwrap();
        assert_eq!((table.features, table.rows), (3, 3));
        assert_eq!(table.body, "0,0,0,a\n0.25,0,1,b\n1,0,0.5,a\n");
        assert!(Table::scaled(&["a,x"], 0).is_err());
    }

    #[test]
    fn a_label_is_a_class_or_a_number() {
        let table = Table::scaled(&["1,2"], 1).unwrap();
        assert!(DATA_SETS[0].arff_header(&table).contains("@attribute target {0,1}\n"));
        assert!(DATA_SETS[4].arff_header(&table).contains("@attribute target numeric\n"));
        assert!(DATA_SETS[0].script(1).contains("'classes' = '0,1'"));
        assert!(DATA_SETS[4].script(1).contains("OUTPUT (predicted DOUBLE)"));
    }
}
