//! Drift detectors: whether a stream of numbers is still what it was.
//!
//! A detector takes one number after the other, most often whether a prediction was wrong (1) or right (0), and says after each
//! whether the numbers have changed. Adding one is a file of its own and a line in [`DETECTORS`].
//!
//! | detector | takes | what it holds against what | warns | cost a value | memory |
//! |---|---|---|---|---|---|
//! | [`Adwin`] | numbers | the means of two parts of a window, for every cut | no | a merge of buckets | by the logarithm of the window |
//! | [`Ddm`] | 0 and 1 | the error rate, its least so far | yes | a root | fixed |
//! | [`Eddm`] | 0 and 1 | the distance of errors, its most so far | yes | a root an error | fixed |
//! | [`HddmA`] | 0 to 1 | the mean, that up to the best cut, by Hoeffding's bound | yes | two roots or so | fixed |
//! | [`HddmW`] | 0 to 1 | the same of fading means, by McDiarmid's bound | yes | three roots or so | fixed |
//! | [`PageHinkley`] | numbers | differences from the mean, summed up, their least and most so far | no | a few sums | fixed |
//! | [`Kswin`] | numbers | the distributions of latest and earlier values | no | a sort of samples | a window |
//!
//! After a drift a detector begins anew with the next value (but see `restart` of [`Adwin`]). Names, defaults and answers are
//! those of River 0.26, value by value, but for what [`Kswin`] draws at random.
//!
//! **Odd values.** NaN and the infinities are no values: they change nothing and are answered with [`Change::None`], since one
//! infinite value in a mean would make a detector deaf for good. Numbers beyond ±1e100 count as ±1e100, so that no sum of squares
//! overflows. Detectors of 0 to 1 take what is outside as the nearer end.
//!
//! Learners that hold a detector of their own use the type itself, which is cloned, saved and compared with them; what is chosen
//! by name is a `Box<dyn Detector>`. States are checked when they are read; those of fixed size can do no harm, whatever they hold.
//!
//! ```
//! use tidegate_ml::drift::{self, Change};
//! let options = tidegate_options::resolve(drift::find("ddm").unwrap().options, []).unwrap();
//! let mut detector = (drift::find("ddm").unwrap().make)(&options).unwrap();
//! let wrong = |i: i32| if i < 500 { f64::from(i % 10 == 0) } else { 1.0 };
//! assert_eq!((0..1000).find(|i| detector.update(wrong(*i)) == Change::Drift), Some(514));
//! ```

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_options::{OptionDef, Options};

use crate::Result;
use crate::snapshot::{SnapshotError, decode, encode};

mod adwin;
mod ddm;
mod eddm;
mod hddm_a;
mod hddm_w;
mod kswin;
mod mean;
mod page_hinkley;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod laws;

pub use adwin::{ADWIN, Adwin, AdwinSettings};
pub use ddm::{DDM, Ddm, DdmSettings};
pub use eddm::{EDDM, Eddm, EddmSettings};
pub use hddm_a::{HDDM_A, HddmA, HddmASettings};
pub use hddm_w::{HDDM_W, HddmW, HddmWSettings};
pub use kswin::{KSWIN, Kswin, KswinSettings};
pub use page_hinkley::{Direction, PAGE_HINKLEY, PageHinkley, PageHinkleySettings};

/// All detectors, by their name.
pub static DETECTORS: &[&DetectorDef] = &[&ADWIN, &DDM, &EDDM, &HDDM_A, &HDDM_W, &KSWIN, &PAGE_HINKLEY];

/// The detector of this name, in any case of letters.
pub fn find(name: &str) -> Option<&'static DetectorDef> {
    DETECTORS.iter().copied().find(|detector| detector.name.eq_ignore_ascii_case(name))
}

/// The declaration of a detector.
#[derive(Debug)]
pub struct DetectorDef {
    /// Its name.
    pub name: &'static str,
    /// One line of idea, then the source, then what it takes.
    pub doc: &'static str,
    /// The options it takes.
    pub options: &'static [&'static [OptionDef]],
    /// Makes one that has met nothing.
    pub make: fn(&Options) -> Result<Box<dyn Detector>>,
}

/// What a value shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// All is as it was.
    #[default]
    None,
    /// A drift may be beginning.
    Warning,
    /// The values have changed.
    Drift,
}

/// Tells when values change. All of it is sequential and repeatable.
pub trait Detector: Copied + Debug + Send + Sync {
    /// Takes in a value and says what it shows. What is not finite is no value.
    fn update(&mut self, value: f64) -> Change;

    /// Forgets all values.
    fn reset(&mut self);

    /// The whole state as bytes; [`Detector::load`] continues from it bit for bit.
    fn save(&self) -> Vec<u8>;

    /// Replaces the state.
    ///
    /// # Errors
    /// When the bytes are not a state of this detector with these settings.
    fn load(&mut self, state: &[u8]) -> Result<()>;

    /// Bytes of memory that the state takes.
    fn state_bytes(&self) -> usize;
}

/// Copies of a detector that is known as such only.
pub trait Copied {
    /// One that has met the same values.
    fn copy(&self) -> Box<dyn Detector>;
}

impl<T: Detector + Clone + 'static> Copied for T {
    fn copy(&self) -> Box<dyn Detector> {
        Box::new(self.clone())
    }
}

/// The largest value, and the negative of the least. Sums of squares of any number of these are finite.
const LARGEST: f64 = 1e100;

/// A value within bounds; none if it is not finite.
#[inline]
fn bounded(value: f64) -> Option<f64> {
    if value.is_finite() { Some(value.clamp(-LARGEST, LARGEST)) } else { None }
}

/// A value in 0 to 1; none if it is not finite.
#[inline]
fn share(value: f64) -> Option<f64> {
    if value.is_finite() { Some(value.clamp(0.0, 1.0)) } else { None }
}

fn save<T: Serialize>(name: &str, detector: &T) -> Vec<u8> {
    encode(&(name, detector))
}

/// What [`save`] wrote, if it is of this name and `fits`.
fn load<T: DeserializeOwned>(name: &str, state: &[u8], fits: impl FnOnce(&T) -> bool) -> Result<T> {
    let (found, detector): (String, T) = decode(state)?;
    if found != name {
        return Err(SnapshotError::Kind { found, expected: name.to_string() }.into());
    }
    if !fits(&detector) {
        return Err(
            SnapshotError::Content(format!("a state of '{name}' that makes no sense, or of other options")).into()
        );
    }
    Ok(detector)
}
