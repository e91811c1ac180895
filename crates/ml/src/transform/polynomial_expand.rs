//! Products of columns.

use super::arguments::Call;
use super::{Inputs, Output, Takes, Transform, TransformDef, Values};
use crate::Result;
use crate::rows::LARGEST;

/// See its `doc`.
pub(super) static POLYNOMIAL_EXPAND: TransformDef = TransformDef {
    name: "ML_POLYNOMIAL_EXPAND",
    arguments: &["value, …, degree [, interaction_only = FALSE]"],
    doc: "All products of up to `degree` of the columns, so that a linear learner fits curves and interactions: for a and b \
          with degree 2 these are a, b, a², ab, b². With interaction_only no column stands twice in a product: a, b, ab. The \
          order is scikit-learn's PolynomialFeatures without its constant. At most 10,000 products. A missing value makes \
          every product missing that it stands in. Results saturate at ±1e100. Learns nothing.",
    takes: Takes { numbers: true, categories: false, together: true },
    make,
};

/// Most products that may be asked for.
const PRODUCTS_MAX: usize = 10_000;

/// A product: an earlier product times one more column.
#[derive(Debug, Clone, Copy)]
struct Product {
    earlier: Option<usize>,
    column: usize,
}

#[derive(Debug)]
struct PolynomialExpand {
    products: Vec<Product>,
}

fn make(call: &mut Call<'_>) -> Result<Box<dyn Transform>> {
    call.nothing_learned()?;
    let degree = call.whole("degree", 1, 10)?;
    let interaction_only = call.flag_or("interaction_only", false)?;
    call.finish()?;
    let columns = call.columns.len();
    let mut products: Vec<Product> = (0..columns).map(|column| Product { earlier: None, column }).collect();
    let mut shorter = 0..products.len();
    for _ in 1..degree {
        let start = products.len();
        for earlier in shorter {
            let first = products[earlier].column + usize::from(interaction_only);
            products.extend((first..columns).map(|column| Product { earlier: Some(earlier), column }));
            if products.len() > PRODUCTS_MAX {
                return Err(call.error(format!(
                    "{columns} columns of degree {degree} make more than {PRODUCTS_MAX} products; lower the degree"
                )));
            }
        }
        shorter = start..products.len();
    }
    Ok(Box::new(PolynomialExpand { products }))
}

impl Transform for PolynomialExpand {
    fn output(&self) -> Output {
        Output::Numbers(self.products.len())
    }

    fn passes_missing(&self) -> bool {
        true
    }

    fn origins(&self, column: usize, _: usize) -> Vec<usize> {
        let mut columns = Vec::new();
        let mut next = Some(column);
        while let Some(product) = next.and_then(|product| self.products.get(product)) {
            columns.push(product.column);
            next = product.earlier;
        }
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    fn apply(&self, x: Inputs<'_>, out: &mut Values) {
        let rows = x.rows();
        out.numbers.resize(rows * self.products.len(), 0.0);
        for (i, product) in self.products.iter().enumerate() {
            let (done, rest) = out.numbers.split_at_mut(i * rows);
            let factor = x.numbers(product.column);
            match product.earlier {
                None => rest[..rows].copy_from_slice(factor),
                Some(earlier) => {
                    let earlier = &done[earlier * rows..(earlier + 1) * rows];
                    for ((out, a), b) in rest.iter_mut().zip(earlier).zip(factor) {
                        *out = (a * b).clamp(-LARGEST, LARGEST);
                    }
                }
            }
        }
    }
}
