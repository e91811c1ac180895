//! Whether and when a job that failed is restarted from its last checkpoint: Flink's restart strategies.
//!
//! | strategy | a failure is followed by |
//! |---|---|
//! | none | the end of the job |
//! | fixed-delay | a restart after a delay, so many times in all |
//! | exponential-delay | a restart after a delay that grows with each failure; back to the first one when a while went well |
//! | failure-rate | a restart after a delay, unless there were too many failures in an interval |
//!
//! Only failures that another try may mend are restarted from: see [`Error::is_transient`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tidegate_options::Options;

use super::watch::Watch;
use crate::checkpoint::RunHandle;
use crate::requests::Inbox;
use crate::{Error, Result};

/// How often a job that waits looks whether it should stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A strategy, as `restart-strategy.…` sets it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Strategy {
    None,
    FixedDelay { attempts: u64, delay: Duration },
    ExponentialDelay { initial: Duration, max: Duration, multiplier: f64, reset: Duration, attempts: Option<u64> },
    FailureRate { failures_max: u64, interval: Duration, delay: Duration },
}

/// The strategies that the settings describe: the chosen one, or those for jobs with and without an end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    bounded: Strategy,
    unbounded: Strategy,
}

impl Setting {
    pub(crate) fn new(settings: &Options) -> Self {
        let duration = |key: &str| settings.duration(&format!("restart-strategy.{key}")).unwrap_or_default();
        let exponential = || Strategy::ExponentialDelay {
            initial: duration("exponential-delay.initial-backoff"),
            max: duration("exponential-delay.max-backoff"),
            multiplier: settings.float("restart-strategy.exponential-delay.backoff-multiplier"),
            reset: duration("exponential-delay.reset-backoff-threshold"),
            attempts: settings
                .int_opt("restart-strategy.exponential-delay.attempts-before-reset-backoff")
                .map(|attempts| attempts as u64),
        };
        let both = |strategy: Strategy| Self { bounded: strategy.clone(), unbounded: strategy };
        match settings.text_opt("restart-strategy.type") {
            None => Self { bounded: Strategy::None, unbounded: exponential() },
            Some("fixed-delay") => both(Strategy::FixedDelay {
                attempts: settings.int("restart-strategy.fixed-delay.attempts") as u64,
                delay: duration("fixed-delay.delay"),
            }),
            Some("exponential-delay") => both(exponential()),
            Some("failure-rate") => both(Strategy::FailureRate {
                failures_max: settings.int("restart-strategy.failure-rate.max-failures-per-interval") as u64,
                interval: duration("failure-rate.failure-rate-interval"),
                delay: duration("failure-rate.delay"),
            }),
            Some(_) => both(Strategy::None),
        }
    }
}

/// The restarts of one job.
pub(super) struct Restarts {
    strategy: Strategy,
    count: u64,
    /// Those since the backoff was last at its start.
    in_a_row: u64,
    /// When the failures were that still count.
    failures: VecDeque<Instant>,
}

impl Restarts {
    pub(super) fn new(setting: Option<&Setting>, bounded: bool) -> Self {
        let strategy = setting.map_or(Strategy::None, |setting| match bounded {
            true => setting.bounded.clone(),
            false => setting.unbounded.clone(),
        });
        Self { strategy, count: 0, in_a_row: 0, failures: VecDeque::new() }
    }

    /// How often the job was restarted.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Waits as long as the strategy says, or gives the error back if the job is not to be restarted.
    pub(super) fn wait(&mut self, name: &str, error: Error, watch: &Watch<'_>, run: Option<&RunHandle>) -> Result<()> {
        let Some(delay) = self.after_failure(Instant::now()) else { return Err(error) };
        watch.warn(&format!(
            "{name} failed: {error}; restart {} from its last checkpoint in {}",
            self.count,
            in_words(delay)
        ));
        let until = Instant::now() + delay;
        let mut inbox = run.map(|run| Inbox::new(&run.folder));
        loop {
            if let Some(asked) = inbox.as_mut().map_or(Ok(None), Inbox::next)? {
                asked.refuse(format!("it failed and waits for its restart: {error}"))?;
            }
            if watch.should_stop() {
                return Err(Error::Stopped { resumable: true });
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }

    /// The delay before the restart that follows a failure; `None` if there is to be none.
    fn after_failure(&mut self, now: Instant) -> Option<Duration> {
        let delay = match &self.strategy {
            Strategy::None => return None,
            Strategy::FixedDelay { attempts, delay } => {
                if self.count >= *attempts {
                    return None;
                }
                *delay
            }
            Strategy::FailureRate { failures_max, interval, delay } => {
                self.failures.push_back(now);
                while self.failures.front().is_some_and(|first| now.duration_since(*first) > *interval) {
                    self.failures.pop_front();
                }
                if self.failures.len() as u64 > *failures_max {
                    return None;
                }
                *delay
            }
            Strategy::ExponentialDelay { initial, max, multiplier, reset, attempts } => {
                let last = self.failures.pop_back();
                if last.is_some_and(|last| now.duration_since(last) >= *reset) {
                    self.in_a_row = 0;
                }
                if attempts.is_some_and(|attempts| self.in_a_row >= attempts) {
                    return None;
                }
                self.failures.push_back(now);
                let grown = initial.as_secs_f64() * multiplier.powf(self.in_a_row.min(1_000) as f64);
                Duration::try_from_secs_f64(grown).unwrap_or(*max).min(*max)
            }
        };
        self.count += 1;
        self.in_a_row += 1;
        Some(delay)
    }
}

fn in_words(delay: Duration) -> String {
    match delay.subsec_nanos() {
        0 => format!("{} s", delay.as_secs()),
        _ => format!("{} ms", delay.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The delays after failures at these seconds.
    fn delays(strategy: Strategy, failures: &[u64]) -> Vec<Option<u64>> {
        let setting = Setting { bounded: strategy, unbounded: Strategy::None };
        let mut restarts = Restarts::new(Some(&setting), true);
        let began = Instant::now();
        let at = |second: &u64| began + Duration::from_secs(*second);
        failures.iter().map(|second| restarts.after_failure(at(second)).map(|delay| delay.as_millis() as u64)).collect()
    }

    #[test]
    fn a_fixed_delay_is_given_so_many_times() {
        let strategy = Strategy::FixedDelay { attempts: 2, delay: Duration::from_secs(3) };
        assert_eq!(delays(strategy, &[0, 100, 10_000]), [Some(3_000), Some(3_000), None]);
        assert_eq!(delays(Strategy::None, &[0]), [None]);
    }

    #[test]
    fn an_exponential_delay_grows_to_its_limit_and_starts_anew_after_a_while() {
        let of = |attempts| Strategy::ExponentialDelay {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(5),
            multiplier: 2.0,
            reset: Duration::from_secs(60),
            attempts,
        };
        assert_eq!(
            delays(of(None), &[0, 1, 3, 7, 12, 72]),
            [Some(1_000), Some(2_000), Some(4_000), Some(5_000), Some(5_000), Some(1_000)]
        );
        assert_eq!(delays(of(Some(2)), &[0, 1, 3]), [Some(1_000), Some(2_000), None]);
    }

    #[test]
    fn a_failure_rate_counts_within_its_interval() {
        let strategy = Strategy::FailureRate {
            failures_max: 2,
            interval: Duration::from_secs(10),
            delay: Duration::from_millis(500),
        };
        assert_eq!(delays(strategy, &[0, 5, 20, 21, 22]), [Some(500), Some(500), Some(500), Some(500), None]);
    }
}
