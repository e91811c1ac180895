//! The snapshot of a model.

use serde::{Deserialize, Serialize};

use super::Model;
use super::labels::SavedClasses;
use crate::snapshot::{SnapshotError, decode, encode, open, seal};
use crate::{Expression, ModelSpec, Result, Transform};

/// The name of this kind of snapshot.
const KIND: &str = "model";

/// The newest format written here.
const FORMAT: u8 = 1;

/// How deep expressions may nest in a snapshot.
const DEPTH_MAX: usize = 64;

/// More rows than any model learns; a snapshot that claims more is corrupt.
pub(crate) const COUNT_MAX: u64 = 1 << 60;

#[derive(Serialize, Deserialize)]
struct Saved {
    /// Without its transforms: those are nested, and reading nested things from corrupt bytes could exhaust the stack.
    spec: ModelSpec,
    transforms: Vec<SavedTransform>,
    learned: Learned,
}

/// What a model has learned, without its specification.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Learned {
    rows_learned: u64,
    classes: SavedClasses,
    statistics: Vec<u8>,
    learner: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct SavedTransform {
    alias: String,
    /// The expression in postfix order.
    tokens: Vec<Token>,
}

/// A part of an expression; calls and lists take the last `arguments` parts before them.
#[derive(Serialize, Deserialize)]
enum Token {
    Column(String),
    Number(f64),
    Text(String),
    Flag(bool),
    List { arguments: u32 },
    Call { function: String, learned: bool, arguments: u32 },
}

impl Learned {
    /// Whether anything was learned.
    pub(crate) fn has_learned(&self) -> bool {
        self.rows_learned > 0
    }
}

fn flatten(expression: &Expression, tokens: &mut Vec<Token>) {
    let mut all = |parts: &[Expression]| {
        parts.iter().for_each(|part| flatten(part, tokens));
        parts.len() as u32
    };
    let token = match expression {
        Expression::Column(name) => Token::Column(name.clone()),
        Expression::Number(value) => Token::Number(*value),
        Expression::Text(text) => Token::Text(text.clone()),
        Expression::Flag(value) => Token::Flag(*value),
        Expression::List(items) => Token::List { arguments: all(items) },
        Expression::Call { function, learned, args } => {
            Token::Call { arguments: all(args), function: function.clone(), learned: *learned }
        }
    };
    tokens.push(token);
}

fn unflatten(tokens: Vec<Token>) -> Result<Expression, SnapshotError> {
    let malformed = || SnapshotError::Content("a transform's expression is malformed".to_string());
    // Each part with its depth.
    let mut stack: Vec<(Expression, usize)> = Vec::new();
    for token in tokens {
        let mut take = |arguments: u32| {
            let start = stack.len().checked_sub(arguments as usize).ok_or_else(malformed)?;
            let depth = stack[start..].iter().map(|(_, depth)| depth + 1).max().unwrap_or(1);
            if depth > DEPTH_MAX {
                return Err(malformed());
            }
            Ok((stack.drain(start..).map(|(part, _)| part).collect::<Vec<_>>(), depth))
        };
        let part = match token {
            Token::Column(name) => (Expression::Column(name), 0),
            Token::Number(value) => (Expression::Number(value), 0),
            Token::Text(text) => (Expression::Text(text), 0),
            Token::Flag(value) => (Expression::Flag(value), 0),
            Token::List { arguments } => {
                let (items, depth) = take(arguments)?;
                (Expression::List(items), depth)
            }
            Token::Call { function, learned, arguments } => {
                let (args, depth) = take(arguments)?;
                (Expression::Call { function, learned, args }, depth)
            }
        };
        stack.push(part);
    }
    match (stack.pop(), stack.is_empty()) {
        (Some((expression, _)), true) => Ok(expression),
        _ => Err(malformed()),
    }
}

impl Model {
    /// The model as bytes: specification and all that was learned.
    pub fn save(&self) -> Vec<u8> {
        let transforms = self.spec.transforms.iter().map(|item| {
            let mut tokens = Vec::new();
            flatten(&item.expression, &mut tokens);
            SavedTransform { alias: item.alias.clone(), tokens }
        });
        let saved = Saved {
            transforms: transforms.collect(),
            spec: ModelSpec { transforms: Vec::new(), ..self.spec.clone() },
            learned: self.learned(),
        };
        seal(KIND, FORMAT, &encode(&saved))
    }

    /// What was learned so far.
    pub(crate) fn learned(&self) -> Learned {
        Learned {
            rows_learned: self.rows_learned,
            classes: self.labels.save(),
            statistics: self.pipeline.save(),
            learner: self.learner.save(),
        }
    }

    /// Goes on from what a model of the same specification has learned, as if it were that model. Ids of texts and labels stay
    /// what they are, so that rows which were read before can still be learned.
    ///
    /// # Errors
    /// When it is not of such a model; then this one is of no more use.
    pub(crate) fn resume(&mut self, learned: &Learned) -> Result<()> {
        if learned.rows_learned > COUNT_MAX {
            return Err(SnapshotError::Content("more rows than can have been learned".to_string()).into());
        }
        self.labels.load(&learned.classes)?;
        if !self.labels.are_targets() {
            self.learner.set_classes(self.labels.count());
        }
        self.pipeline.load(&learned.statistics)?;
        self.learner.load(&learned.learner)?;
        self.rows_learned = learned.rows_learned;
        Ok(())
    }

    /// The model that [`Model::save`] wrote. It predicts and learns on as the saved one would, bit for bit.
    ///
    /// # Errors
    /// [`crate::Error::Snapshot`] when the bytes are not a model, corrupt, or too new.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        let saved: Saved = decode(open(KIND, FORMAT, bytes)?)?;
        let mut spec = saved.spec;
        if !spec.transforms.is_empty() {
            return Err(SnapshotError::Content("transforms stand in two places".to_string()).into());
        }
        for SavedTransform { alias, tokens } in saved.transforms {
            spec.transforms.push(Transform { expression: unflatten(tokens)?, alias });
        }
        let mut model = Self::new(spec)
            .map_err(|error| SnapshotError::Content(format!("its specification is refused: {error}")))?;
        model.resume(&saved.learned)?;
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_survive_flattening() {
        let number = Expression::Number;
        let inner = Expression::Call {
            function: "ML_IMPUTER".to_string(),
            learned: true,
            args: vec![Expression::Column("x".to_string()), Expression::Text("mean".to_string())],
        };
        let outer = Expression::Call {
            function: "ML_BUCKETIZE".to_string(),
            learned: false,
            args: vec![inner, Expression::List(vec![number(1.0), number(2.0)]), Expression::Flag(true)],
        };
        let mut tokens = Vec::new();
        flatten(&outer, &mut tokens);
        assert_eq!(unflatten(tokens).unwrap(), outer);
    }

    #[test]
    fn malformed_and_deep_expressions_are_refused() {
        assert!(unflatten(Vec::new()).is_err());
        assert!(unflatten(vec![Token::List { arguments: 1 }]).is_err());
        assert!(unflatten(vec![Token::Flag(true), Token::Flag(true)]).is_err());
        let mut deep = vec![Token::Flag(true)];
        deep.extend((0..1_000_000).map(|_| Token::List { arguments: 1 }));
        assert!(unflatten(deep).is_err());
    }
}
