//! Any numbers, texts and labels are learned and predicted by any learner, or refused; none panics, and what is saved can be read.
#![no_main]

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use libfuzzer_sys::fuzz_target;
use tidegate_ml::learner::LEARNERS;
use tidegate_ml::{Model, ModelSpec, Task};

/// Two numbers, a text and a label: bytes of a row.
const ROW: usize = 18;

fuzz_target!(|bytes: &[u8]| {
    let [which, task, rows @ ..] = bytes else { return };
    let def = LEARNERS[usize::from(*which) % LEARNERS.len()];
    let task = def.tasks[usize::from(*task) % def.tasks.len()];
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let mut inputs = vec![field("x", DataType::Float64), field("y", DataType::Float64), field("kind", DataType::Utf8)];
    inputs.truncate(match (task, def.features.categories || def.features.sparse) {
        (Task::ChangeDetection, _) => 1,
        (_, false) => 2,
        (_, true) => 3,
    });
    let output = match task {
        Task::Classification | Task::ChangeDetection => DataType::Boolean,
        Task::Regression | Task::AnomalyDetection => DataType::Float64,
        Task::Clustering => DataType::Int64,
    };
    let options = [("provider", "tidegate"), ("task", task.name()), ("algorithm", def.name)];
    let options = options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let output = Schema::new(vec![field("out", output)]);
    let spec = ModelSpec::new("m", task, &Schema::new(inputs.clone()), &output, Vec::new(), options).expect("it is right");
    let mut model = Model::new(spec).expect("it is right");

    for rows in rows.chunks(ROW * 64) {
        let rows: Vec<&[u8]> = rows.chunks_exact(ROW).collect();
        let number = |row: &[u8], at: usize| row[at..at + 8].try_into().map(f64::from_le_bytes).ok().filter(|x| !x.is_nan());
        let numbers = |at: usize| rows.iter().map(|row| number(row, at)).collect::<Float64Array>();
        let kind = |row: &&[u8]| (row[16] > 0).then(|| row[16].to_string());
        let label = |row: &&[u8]| (row[17] % 5 > 0).then(|| row[17] % 2 == 0);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(numbers(0)),
            Arc::new(numbers(8)),
            Arc::new(rows.iter().map(kind).collect::<StringArray>()),
        ];
        columns.truncate(inputs.len());
        match task {
            Task::Classification => columns.push(Arc::new(rows.iter().map(label).collect::<BooleanArray>())),
            Task::Regression => columns.push(Arc::new(numbers(4))),
            _ => {}
        }
        let names: Vec<String> = (0..columns.len()).map(|place| place.to_string()).collect();
        let Ok(batch) = RecordBatch::try_from_iter_with_nullable(names.iter().zip(columns).map(|(n, c)| (n, c, true))) else { return };
        // What the model refuses changes nothing; the rest of the rows goes on.
        let bad: Vec<usize> = model.check(&batch).expect("its columns fit").into_iter().map(|fault| fault.row).collect();
        let good = (0..batch.num_rows()).map(|row| !bad.contains(&row)).collect::<BooleanArray>();
        let batch = arrow::compute::filter_record_batch(&batch, &good).expect("as long");
        model.learn_predict(&batch).expect("only good rows are left");
    }
    let saved = model.save();
    let read = Model::load(&saved).expect("what was saved");
    assert!(read.save() == saved, "saved again it is another");
});
