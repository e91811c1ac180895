//! The files of the bench: each as CSV for most, and as Vowpal Wabbit's text with the same rows.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::{Result, data, workspace};

/// One data set, ready.
pub struct Files {
    /// `elec`, `covertype` or `flights`: also the first part of our scripts' names.
    pub name: &'static str,
    /// How many rows each file has.
    pub rows: u64,
    /// Where they are, and where results may go.
    pub folder: PathBuf,
    /// Header and comma-separated values; the last column is the label, 0 or 1.
    pub csv: PathBuf,
    /// Vowpal Wabbit's text; labels −1 and 1, features that are 0 left out.
    pub vw: PathBuf,
}

const ELEC_ROWS: u64 = 45_312;
const ELEC_REPEATS: u64 = 20;
const COVERTYPE_ROWS: u64 = 581_012;
const FLIGHTS_ROWS: u64 = 1_000_000;

/// Elec twenty times, or its first rows.
pub fn elec(rows_max: Option<u64>) -> Result<Files> {
    let rows = ELEC_ROWS * ELEC_REPEATS;
    files("elec", rows_max.map_or(rows, |max| rows.min(max)), write_elec)
}

/// Covertype, or its first rows.
pub fn covertype(rows_max: Option<u64>) -> Result<Files> {
    files("covertype", rows_max.map_or(COVERTYPE_ROWS, |max| COVERTYPE_ROWS.min(max)), write_covertype)
}

/// Makes the files that are not there yet, each with at most so many rows.
pub fn prepare(rows_max: Option<u64>) -> Result<Vec<Files>> {
    let limit = |rows: u64| rows_max.map_or(rows, |max| rows.min(max));
    Ok(vec![
        elec(rows_max)?,
        covertype(rows_max)?,
        files("flights", limit(FLIGHTS_ROWS), data::generated::write_flights)?,
    ])
}

fn files(name: &'static str, rows: u64, write_csv: fn(&Path, u64) -> Result<()>) -> Result<Files> {
    let folder = workspace::data_folder()?.join("bench/linear").join(format!("{name}-{rows}"));
    let files = Files { name, rows, csv: folder.join("data.csv"), vw: folder.join("data.vw"), folder };
    if !files.folder.exists() {
        eprintln!("{name}: writing {rows} rows as CSV and as Vowpal Wabbit's text");
        // Beside its place, then moved there whole: a folder that exists is complete.
        let made = files.folder.with_extension("incomplete");
        fs::create_dir_all(&made)?;
        write_csv(&made.join("data.csv"), rows)?;
        write_vw(&made.join("data.csv"), &made.join("data.vw"))?;
        fs::rename(&made, &files.folder)?;
    }
    Ok(files)
}

/// Elec again and again, as it is: its numbers are scaled to 0 … 1 already.
fn write_elec(path: &Path, rows: u64) -> Result<()> {
    let source = fs::read_to_string(data::fetch(data::named("elec")?)?.join("elec.csv"))?;
    let (header, body) = source.split_once('\n').ok_or("elec.csv is empty")?;
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "{}", header.trim_end())?;
    for line in body.lines().cycle().take(usize::try_from(rows)?) {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// Covertype, each column brought to 0 … 1 by its least and greatest value. The label is 1 for lodgepole pine (type 2), which
/// about half of the rows are.
fn write_covertype(path: &Path, rows: u64) -> Result<()> {
    const FEATURES: usize = 54;
    const LODGEPOLE_PINE: f64 = 2.0;
    let source = data::fetch(data::named("covertype")?)?.join("covtype.csv");
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); FEATURES];
    for_each_row(&source, u64::MAX, |values| {
        for (range, value) in ranges.iter_mut().zip(values) {
            *range = (range.0.min(*value), range.1.max(*value));
        }
        Ok(())
    })?;
    let mut out = BufWriter::new(File::create(path)?);
    let header: Vec<String> = (1..=FEATURES).map(|column| format!("f{column}")).collect();
    writeln!(out, "{},target", header.join(","))?;
    for_each_row(&source, rows, |values| {
        for ((low, high), value) in ranges.iter().zip(values) {
            let scaled = if high > low { (value - low) / (high - low) } else { 0.0 };
            // Six digits: as many as the source's values have.
            write!(out, "{},", (scaled * 1e6).round() / 1e6)?;
        }
        Ok(writeln!(out, "{}", u8::from(values.get(FEATURES) == Some(&LODGEPOLE_PINE)))?)
    })?;
    Ok(out.flush()?)
}

/// Calls `each` with the numbers of each row after the header.
fn for_each_row(path: &Path, rows: u64, mut each: impl FnMut(&[f64]) -> Result<()>) -> Result<()> {
    let mut values = Vec::new();
    for (at, line) in BufReader::new(File::open(path)?).lines().skip(1).take(usize::try_from(rows)?).enumerate() {
        let line = line?;
        values.clear();
        for cell in line.split(',') {
            values.push(cell.trim().parse().map_err(|e| format!("{}, row {}: '{cell}': {e}", path.display(), at + 1))?);
        }
        each(&values)?;
    }
    Ok(())
}

/// The same rows as Vowpal Wabbit's text. A number is `column:value`, a text is one feature named after its column and itself.
fn write_vw(csv: &Path, vw: &Path) -> Result<()> {
    let mut out = BufWriter::new(File::create(vw)?);
    for line in BufReader::new(File::open(csv)?).lines().skip(1) {
        writeln!(out, "{}", vw_line(line?.trim_end())?)?;
    }
    Ok(out.flush()?)
}

fn vw_line(row: &str) -> Result<String> {
    let (features, label) = row.rsplit_once(',').ok_or_else(|| format!("a row without a label: {row}"))?;
    let mut line = format!("{} |", if label == "1" { "1" } else { "-1" });
    for (column, cell) in features.split(',').enumerate() {
        let feature = match cell.parse::<f64>() {
            Ok(0.0) => continue,
            Ok(_) => format!(" {column}:{cell}"),
            Err(_) => format!(" {column}={cell}"),
        };
        line.push_str(&feature);
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_vowpal_wabbits_text() {
        assert_eq!(vw_line("0.5,0,0.0,2,1").unwrap(), "1 | 0:0.5 3:2");
        assert_eq!(vw_line("h7,d1,A001,A299,0.35,0").unwrap(), "-1 | 0=h7 1=d1 2=A001 3=A299 4:0.35");
        assert!(vw_line("1").is_err());
    }
}
