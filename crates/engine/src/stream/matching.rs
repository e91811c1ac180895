//! The state of one dataflow, matched with another one: that of the same script, or of one that has changed since.
//!
//! States go to what they fit (see [`super::identity`]), in this order: where all that is computed below is the same, in the same
//! INSERT; where it is the same in another one; where the same INSERT has as many of the kind as before. What is left over of
//! the old ones is state that would be lost, and is refused by name unless the user allows it. What is left over of the new ones
//! begins without a state.

use super::identity::Identity;
use super::source::Progress;
use super::state::{DataflowState, OperatorState, SinkState};
use crate::{Error, Result};

/// A state, part by part as a dataflow has them; `None` is a part that begins anew.
#[derive(Debug)]
pub(crate) struct Matched {
    pub sources: Vec<Option<(Progress, bool)>>,
    pub turn: usize,
    pub operators: Vec<Option<OperatorState>>,
    pub sinks: Vec<Option<SinkState>>,
    /// What was dropped, in words.
    pub dropped: Vec<String>,
}

/// What a dataflow has that may have a state.
pub(crate) struct Parts<'a> {
    pub sources: Vec<&'a Identity>,
    pub operators: Vec<&'a Identity>,
    pub sinks: Vec<&'a Identity>,
}

/// Matches a state with a dataflow. `allow_dropped`: state that fits nowhere is dropped.
///
/// # Errors
/// State would be lost: says which, and why.
pub(crate) fn matched(state: DataflowState, now: &Parts<'_>, allow_dropped: bool) -> Result<Matched> {
    let DataflowState { sources, ended, turn, operators, sinks, identities, .. } = state;
    let of = |part: &[Identity], now: &[&Identity]| pair(&part.iter().collect::<Vec<_>>(), now);
    let source_pairs = of(&identities.sources, &now.sources);
    let operator_pairs = match identities.operators.iter().eq(now.operators.iter().copied()) {
        // The same plan: everything has its place, what is not known of included.
        true => (0..operators.len()).map(Some).collect(),
        false => of(&identities.operators, &now.operators),
    };
    let sink_pairs = of(&identities.sinks, &now.sinks);

    let mut lost = Vec::new();
    lost.extend(left_over(&identities.sources, &source_pairs, &now.sources, |_| true));
    let has_state = |index: usize| operators.get(index).is_some_and(|state: &OperatorState| !state.state.is_empty());
    lost.extend(left_over(&identities.operators, &operator_pairs, &now.operators, has_state));
    let pending = |index: usize| sinks.get(index).is_some_and(|state: &SinkState| !state.is_visible);
    lost.extend(left_over(&identities.sinks, &sink_pairs, &now.sinks, pending));
    if !lost.is_empty() && !allow_dropped {
        return Err(Error::Usage(format!(
            "{}\nput the script back as it was there, or give --allow-dropped-state: such state is then dropped, and what the script has in its place begins anew",
            lost.join("\n")
        )));
    }

    let progress: Vec<(Progress, bool)> = sources.into_iter().zip(ended).collect();
    Ok(Matched {
        sources: taken(progress, &source_pairs),
        turn: turn as usize,
        operators: taken(operators, &operator_pairs),
        sinks: taken(sinks, &sink_pairs),
        dropped: lost,
    })
}

/// For each of `now` the place of the state in `old` that is its.
fn pair(old: &[&Identity], now: &[&Identity]) -> Vec<Option<usize>> {
    let mut pairs: Vec<Option<usize>> = vec![None; now.len()];
    let mut free: Vec<bool> = vec![true; old.len()];
    let same_rows = |a: &Identity, b: &Identity| a.fits(b) && a.computed == b.computed;
    for same_insert in [true, false] {
        for to in 0..now.len() {
            let is_its = |from: &usize| {
                free[*from] && same_rows(old[*from], now[to]) && (!same_insert || old[*from].insert == now[to].insert)
            };
            if pairs[to].is_none()
                && let Some(from) = (0..old.len()).find(is_its)
            {
                (pairs[to], free[from]) = (Some(from), false);
            }
        }
    }
    // What is below has changed. Places among equals mean something only where their number has not.
    for to in 0..now.len() {
        if pairs[to].is_some() {
            continue;
        }
        let alike = |other: &Identity| {
            now[to].fits(other) && (now[to].insert == other.insert || !now[to].description.name.is_empty())
        };
        let from: Vec<usize> = (0..old.len()).filter(|from| free[*from] && alike(old[*from])).collect();
        let to: Vec<usize> = (0..now.len()).filter(|to| pairs[*to].is_none() && alike(now[*to])).collect();
        if from.len() == to.len() {
            for (from, to) in from.into_iter().zip(to) {
                (pairs[to], free[from]) = (Some(from), false);
            }
        }
    }
    pairs
}

/// The states that have no place, and why.
fn left_over(
    old: &[Identity],
    pairs: &[Option<usize>],
    now: &[&Identity],
    has_state: impl Fn(usize) -> bool,
) -> Vec<String> {
    let lost = (0..old.len()).filter(|index| !pairs.contains(&Some(*index)) && has_state(*index));
    let reason = |index: usize| {
        let identity = &old[index];
        let what = format!("the state of {}", identity.words());
        // The nearest that has no state: in the same INSERT, then anywhere.
        let near = |same_insert: bool| {
            (0..now.len()).find(|to| {
                pairs[*to].is_none()
                    && now[*to].is_kin(identity)
                    && (!same_insert || now[*to].insert == identity.insert)
            })
        };
        match near(true).or_else(|| near(false)) {
            _ if !identity.known => format!("{what} cannot be matched with a script that has changed"),
            None => format!("{what} has no place in the script any more"),
            Some(to) => match identity.differences(now[to]).as_slice() {
                [] => format!("{what} has several places in the script now, and none of them is the one it had"),
                differences => format!("{what} was made with {}", differences.join(", and with ")),
            },
        }
    };
    lost.map(reason).collect()
}

/// The parts in their new places.
fn taken<T>(old: Vec<T>, pairs: &[Option<usize>]) -> Vec<Option<T>> {
    let mut old: Vec<Option<T>> = old.into_iter().map(Some).collect();
    pairs.iter().map(|from| from.and_then(|from| old.get_mut(from)?.take())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::identity::Description;

    fn session(gap: &str, insert: &str, computed: u64) -> Identity {
        let description = Description::window("SESSION").on("gap", gap);
        let over = Identity::over(Some(description), "", &[&Identity::source("visits")]);
        Identity { insert: insert.to_string(), line: 3, computed, ..over }
    }

    fn pairs(old: &[Identity], now: &[Identity]) -> Vec<Option<usize>> {
        pair(&old.iter().collect::<Vec<_>>(), &now.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_state_goes_with_what_is_computed_then_with_its_insert() {
        let old = [session("1 h", "a", 1), session("1 h", "b", 2)];
        // A new INSERT before them, and their order changed.
        let now = [session("1 h", "new", 9), session("1 h", "b", 2), session("1 h", "a", 1)];
        assert_eq!(pairs(&old, &now), [None, Some(1), Some(0)]);
        // Another filter below, and another name of the sink.
        assert_eq!(pairs(&old, &[session("1 h", "a", 7), session("1 h", "c", 2)]), [Some(0), Some(1)]);
        // Both changed: nothing says that it is the same one.
        assert_eq!(pairs(&old[..1], &[session("1 h", "c", 7)]), [None]);
        assert_eq!(pairs(&old[..1], &[session("2 h", "a", 1)]), [None]);
    }

    #[test]
    fn what_came_later_takes_no_state_of_what_was_there_before() {
        let new = Identity { generation: 1, ..session("1 h", "new", 1) };
        assert_eq!(pairs(&[session("1 h", "a", 1)], &[new.clone(), session("1 h", "a", 7)]), [None, Some(0)]);
        assert_eq!(pairs(&[session("1 h", "a", 1)], &[new]), [None]);
    }

    #[test]
    fn places_among_equals_count_only_if_their_number_is_the_same() {
        let old = [session("1 h", "a", 1), session("1 h", "a", 2)];
        assert_eq!(pairs(&old, &[session("1 h", "a", 3), session("1 h", "a", 4)]), [Some(0), Some(1)]);
        assert_eq!(pairs(&old, &[session("1 h", "a", 3)]), [None]);
        assert_eq!(pairs(&old, &[session("1 h", "a", 2), session("1 h", "a", 4)]), [Some(1), Some(0)]);
    }

    #[test]
    fn what_is_lost_is_said_by_name() {
        let old = [session("30 min", "a", 1)];
        let said = |now: &[Identity]| {
            let now: Vec<&Identity> = now.iter().collect();
            left_over(&old, &pair(&[&old[0]], &now), &now, |_| true)
        };
        assert_eq!(
            said(&[session("20 min", "a", 1)]),
            ["the state of SESSION in INSERT INTO a (line 3) was made with gap 30 min; the script now says 20 min"]
        );
        assert_eq!(said(&[]), ["the state of SESSION in INSERT INTO a (line 3) has no place in the script any more"]);
        assert!(said(&[session("30 min", "b", 1)]).is_empty());
    }
}
