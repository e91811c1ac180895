//! From a `TRANSFORM` clause to the steps of a [`Pipeline`](super::Pipeline).

use tidegate_options::nearest;

use super::arguments::{Argument, Call, Target, describe};
use super::categories::{Categories, NONE};
use super::label_encoder::LabelEncoder;
use super::one_hot_encoder::OneHotEncoder;
use super::pipeline::{DenseFeature, Pipeline, SparseGroup, Step};
use super::{Output, Source, TextForm, Transform, find};
use crate::learner::{FeatureKind, Features};
use crate::rows::{Column, Dictionary, Reads};
use crate::{Error, Expression, Input, InputKind, ModelSpec, Result};

/// How deep calls may nest.
const DEPTH_MAX: usize = 32;

/// Most dense features that a model may have.
const DENSE_MAX: usize = 100_000;

/// Most sparse features of fixed number that a model may have.
const SPARSE_MAX: u32 = 1 << 30;

/// What an expression came to: one column.
#[derive(Debug, Clone)]
struct Compiled {
    source: Source,
    argument: Argument,
    /// Inputs that make it missing where they are.
    missing: Vec<usize>,
    /// Whether it is sparse entries, which no transform takes.
    sparse: bool,
}

struct Compiler<'a> {
    inputs: &'a [Input],
    columns: Vec<Column>,
    dictionaries: Vec<Dictionary>,
    steps: Vec<Step>,
    categories_max: u32,
    target: Target,
    /// What the learner takes.
    features: Features,
}

/// Compiles the transforms of a model, whose learner takes such features and whose label is `target`. `categories_max` is its
/// option `max-categories`.
pub(super) fn compile(spec: &ModelSpec, categories_max: u32, features: Features, target: Target) -> Result<Pipeline> {
    let columns = spec.inputs.iter().map(|input| Column {
        name: input.name.clone(),
        kind: input.kind,
        reads: Reads::default(),
        required: false,
        dictionary: None,
    });
    let mut compiler = Compiler {
        inputs: &spec.inputs,
        columns: columns.collect(),
        dictionaries: Vec::new(),
        steps: Vec::new(),
        categories_max,
        target,
        features,
    };
    let (mut dense, mut sparse) = (Vec::new(), Vec::new());
    let as_they_are: Vec<(Expression, &str)>;
    let items: Vec<(&Expression, &str)> = if spec.transforms.is_empty() {
        as_they_are = spec.inputs.iter().map(|i| (Expression::Column(i.name.clone()), i.name.as_str())).collect();
        as_they_are.iter().map(|(expression, alias)| (expression, *alias)).collect()
    } else {
        spec.transforms.iter().map(|item| (&item.expression, item.alias.as_str())).collect()
    };
    for (i, (expression, alias)) in items.iter().enumerate() {
        if items[..i].iter().any(|(_, other)| other == alias) {
            return Err(Error::Spec(format!(
                "TRANSFORM: two items are named '{alias}'; give one another name with AS"
            )));
        }
        compiler.item(expression, alias, &mut dense, &mut sparse).map_err(|error| match error {
            Error::Spec(what) => Error::Spec(format!("TRANSFORM, item '{alias}': {what}")),
            other => other,
        })?;
    }
    let fixed = sparse.iter().filter_map(|group: &SparseGroup| group.features);
    if dense.len() > DENSE_MAX || fixed.fold(0u32, u32::saturating_add) > SPARSE_MAX {
        return Err(Error::Spec(format!(
            "TRANSFORM makes too many features; at most {DENSE_MAX} dense and {SPARSE_MAX} hashed"
        )));
    }
    Ok(Pipeline::new(compiler.columns, compiler.dictionaries, compiler.steps, dense, sparse))
}

impl Compiler<'_> {
    /// One item of the clause: its features.
    fn item(
        &mut self,
        expression: &Expression,
        alias: &str,
        dense: &mut Vec<DenseFeature>,
        sparse: &mut Vec<SparseGroup>,
    ) -> Result<()> {
        let outputs = self.expression(expression, 0)?;
        let several = outputs.len() > 1;
        for (i, output) in outputs.into_iter().enumerate() {
            let name = if several { format!("{alias}_{}", i + 1) } else { alias.to_string() };
            let step = match output {
                Compiled { source: Source::Step { step, .. }, sparse: true, .. } => {
                    if !self.features.sparse {
                        let takes = match self.features.categories {
                            true => "texts as they are and no encoded features; leave the encoder out",
                            false => "numbers only, and no encoded features",
                        };
                        let function = self.steps[step].function;
                        return Err(Error::Spec(format!("{function}: the algorithm takes {takes}")));
                    }
                    step
                }
                Compiled { argument: Argument { dictionary: Some(dictionary), .. }, .. }
                    if self.features.categories =>
                {
                    let of_an_input = self.is_of_an_input(dictionary);
                    let categories = match of_an_input {
                        true => Categories::new(&output.argument, self.categories_max),
                        false => Categories::all_of(dictionary, &self.dictionaries),
                    };
                    self.read_ids(output.source);
                    let encoder = LabelEncoder::as_they_are(categories, of_an_input);
                    let step = self.step("ML_LABEL_ENCODER", Box::new(encoder), vec![output.source]);
                    let source = Source::Step { step, column: 0 };
                    dense.push(DenseFeature { source, name, kind: FeatureKind::Category });
                    continue;
                }
                Compiled { argument: Argument { dictionary: Some(_), .. }, .. } if !self.features.sparse => {
                    return Err(Error::Spec(format!(
                        "'{name}' is a text, and the algorithm takes numbers only; leave it out of INPUT, or make a number of it in \
                         TRANSFORM"
                    )));
                }
                Compiled { argument: Argument { dictionary: Some(dictionary), .. }, .. } => {
                    // A category at the top: one-hot encoded.
                    let encoder = if self.is_of_an_input(dictionary) {
                        OneHotEncoder::over(&output.argument, self.categories_max)
                    } else {
                        OneHotEncoder::all_of(dictionary, &self.dictionaries)
                    };
                    self.read_ids(output.source);
                    self.step("ML_ONE_HOT_ENCODER", Box::new(encoder), vec![output.source])
                }
                Compiled { source, missing, .. } => {
                    for input in missing {
                        self.columns[input].required |= !self.features.missing;
                    }
                    dense.push(DenseFeature { source, name, kind: FeatureKind::Number });
                    continue;
                }
            };
            sparse.push(match self.steps[step].transform.output() {
                Output::Sparse { columns, features, values } => {
                    SparseGroup::new(step, Some(columns), features, values, name)
                }
                Output::Words { features } => SparseGroup::new(step, None, Some(features), true, name),
                Output::Numbers(_) | Output::Category(_) => continue,
            });
        }
        Ok(())
    }

    fn expression(&mut self, expression: &Expression, depth: usize) -> Result<Vec<Compiled>> {
        match expression {
            Expression::Column(name) => Ok(vec![self.column(name)?]),
            Expression::Call { function, learned, args } if depth < DEPTH_MAX => {
                self.call(function, *learned, args, depth)
            }
            Expression::Call { .. } => Err(Error::Spec(format!("calls nest more than {DEPTH_MAX} deep"))),
            Expression::List(items) if has_columns(expression) => {
                let mut columns = Vec::new();
                for item in items {
                    columns.extend(self.expression(item, depth + 1)?);
                }
                Ok(columns)
            }
            literal => {
                Err(Error::Spec(format!("{} is a literal; expected a column or a transform", describe(literal))))
            }
        }
    }

    fn column(&mut self, name: &str) -> Result<Compiled> {
        let found = self.inputs.iter().position(|input| input.name == name);
        let Some(input) = found.or_else(|| self.inputs.iter().position(|input| input.name.eq_ignore_ascii_case(name)))
        else {
            let known = || self.inputs.iter().map(|input| input.name.as_str());
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("INPUT names {}", known().collect::<Vec<_>>().join(", ")),
            };
            return Err(Error::Spec(format!("unknown column '{name}'; {hint}")));
        };
        let kind = self.inputs[input].kind;
        let dictionary = match kind {
            InputKind::Text => Some(self.dictionary_of(input)),
            InputKind::Number | InputKind::Flag => {
                self.columns[input].reads.numbers = true;
                None
            }
        };
        let name = self.inputs[input].name.clone();
        Ok(Compiled {
            source: Source::Input(input),
            argument: Argument { name, dictionary, flag: kind == InputKind::Flag },
            missing: if dictionary.is_none() { vec![input] } else { Vec::new() },
            sparse: false,
        })
    }

    /// The dictionary of a text input; made when it is first asked for.
    fn dictionary_of(&mut self, input: usize) -> usize {
        *self.columns[input].dictionary.get_or_insert_with(|| {
            self.dictionaries.push(Dictionary::default());
            self.dictionaries.len() - 1
        })
    }

    fn is_of_an_input(&self, dictionary: usize) -> bool {
        self.columns.iter().any(|column| column.dictionary == Some(dictionary))
    }

    fn call(&mut self, function: &str, learned: bool, args: &[Expression], depth: usize) -> Result<Vec<Compiled>> {
        let def = find(function)?;
        let first_literal = args.iter().position(|arg| !has_columns(arg)).unwrap_or(args.len());
        let (columns, literals) = args.split_at(first_literal);
        if let Some(late) = literals.iter().find(|arg| has_columns(arg)) {
            return Err(Error::Spec(format!(
                "{}: {} stands after a literal; columns come first",
                def.name,
                describe(late)
            )));
        }
        let mut inputs = Vec::new();
        for column in columns {
            inputs.extend(self.expression(column, depth + 1)?);
        }
        if inputs.is_empty() {
            return Err(Error::Spec(format!(
                "{}: the first argument must be a column or a transform of one",
                def.name
            )));
        }
        if !def.takes.together && columns.len() > 1 {
            return Err(Error::Spec(format!("{} takes one column; found {}", def.name, columns.len())));
        }
        for Compiled { argument, sparse, .. } in &inputs {
            let name = &argument.name;
            if *sparse {
                return Err(Error::Spec(format!(
                    "{}: what is made of '{name}' is already encoded, which no other transform takes",
                    def.name
                )));
            }
            match argument.dictionary {
                Some(_) if !def.takes.categories => {
                    return Err(Error::Spec(format!(
                        "{} takes numbers; '{name}' is a text: encode it first",
                        def.name
                    )));
                }
                None if !def.takes.numbers => {
                    return Err(Error::Spec(format!("{} takes texts; '{name}' is a number", def.name)));
                }
                _ => {}
            }
        }
        let groups =
            if def.takes.together { vec![inputs] } else { inputs.into_iter().map(|input| vec![input]).collect() };
        let mut results = Vec::new();
        for group in groups {
            let mut call = Call {
                function: def.name,
                learned,
                columns: group.iter().map(|input| input.argument.clone()).collect(),
                categories_max: self.categories_max,
                target: self.target,
                dictionaries: &mut self.dictionaries,
                literals,
                next: 0,
            };
            let transform = (def.make)(&mut call)?;
            for input in group.iter().filter(|input| input.argument.dictionary.is_some()) {
                match transform.reads() {
                    TextForm::Ids => self.read_ids(input.source),
                    TextForm::Hashes => self.read_hashes(input.source),
                    TextForm::Words => self.read_words(def.name, input)?,
                }
            }
            let output = transform.output();
            let missing = if transform.passes_missing() {
                group.iter().flat_map(|input| input.missing.iter().copied()).collect()
            } else {
                Vec::new()
            };
            // A flag stays one only where its values stay 0 and 1.
            let flag = group[0].argument.flag && def.name == super::imputer::IMPUTER.name;
            let name = group[0].argument.name.clone();
            let step = self.step(def.name, transform, group.iter().map(|input| input.source).collect());
            let compiled = |column, dictionary, sparse| Compiled {
                source: Source::Step { step, column },
                argument: Argument { name: name.clone(), dictionary, flag },
                missing: missing.clone(),
                sparse,
            };
            match output {
                Output::Numbers(width) => results.extend((0..width).map(|column| compiled(column, None, false))),
                Output::Category(dictionary) => results.push(compiled(0, Some(dictionary), false)),
                Output::Sparse { .. } | Output::Words { .. } => results.push(compiled(0, None, true)),
            }
        }
        Ok(results)
    }

    fn step(&mut self, function: &'static str, transform: Box<dyn Transform>, sources: Vec<Source>) -> usize {
        let differs = transform.learns()
            || sources.iter().any(|source| matches!(source, Source::Step { step, .. } if self.steps[*step].differs));
        self.steps.push(Step { function, transform, sources, differs });
        self.steps.len() - 1
    }

    /// Marks that ids of this column are needed.
    fn read_ids(&mut self, source: Source) {
        if let Source::Input(input) = source {
            self.columns[input].reads.ids = true;
        }
    }

    /// Marks that the words of this column are needed.
    fn read_words(&mut self, function: &str, input: &Compiled) -> Result<()> {
        let Source::Input(column) = input.source else {
            let name = &input.argument.name;
            return Err(Error::Spec(format!(
                "{function} takes a text column as it is; found what a transform makes of '{name}'"
            )));
        };
        self.columns[column].reads.words = true;
        Ok(())
    }

    /// Marks that hashes of this column are needed, at every step from its input on.
    fn read_hashes(&mut self, source: Source) {
        match source {
            Source::Input(input) => self.columns[input].reads.hashes |= self.columns[input].dictionary.is_some(),
            Source::Step { step, .. } => {
                for source in self.steps[step].sources.clone() {
                    self.read_hashes(source);
                }
            }
        }
    }
}

/// Whether an argument is made of columns, rather than a literal.
fn has_columns(expression: &Expression) -> bool {
    match expression {
        Expression::Column(_) | Expression::Call { .. } => true,
        Expression::List(items) => {
            items.iter().any(|item| matches!(item, Expression::Column(_) | Expression::Call { .. }))
        }
        Expression::Number(_) | Expression::Text(_) | Expression::Flag(_) => false,
    }
}

const _: () = assert!(NONE > SPARSE_MAX);
