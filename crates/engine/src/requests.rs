//! What other processes ask of a running job: files in its folder, since that is what both can reach.
//!
//! ```text
//! asks:     request-<id>  ──────► the job looks between rounds, does it, and writes
//! waits:    answer-<id>   ◄────── what came of it
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::checkpoint::{failed, holder, read_sealed, write_sealed};
use crate::{Error, Result};

/// How often the one who asks looks for the answer.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often the job looks whether something is asked of it.
const ASKED_EVERY: Duration = Duration::from_millis(100);

/// What is asked of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Take a savepoint.
    pub savepoint: bool,
    /// The folder that it is put into; `None`: where the job's settings say.
    pub to: Option<PathBuf>,
    /// Stop. Without a savepoint: at a checkpoint that running the script again goes on from.
    pub stop: bool,
    /// Before stopping, end the sources and close all windows: the job comes to its end.
    pub drain: bool,
}

/// What came of a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Why it was not done.
    pub refused: Option<String>,
    /// The savepoint's folder.
    pub savepoint: Option<PathBuf>,
    /// The checkpoint that it was done at.
    pub checkpoint: u64,
}

/// A request that waits for its answer.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub request: Request,
    folder: PathBuf,
    id: String,
}

impl Pending {
    /// Gives the answer.
    pub(crate) fn answer(&self, answer: &Answer) -> Result<()> {
        write_sealed(&self.folder.join(format!("answer-{}", self.id)), "answer", answer)?;
        let path = self.folder.join(format!("request-{}", self.id));
        fs::remove_file(&path).map_err(|error| failed("remove", &path, error))
    }

    /// Says that it is not done, and why.
    pub(crate) fn refuse(&self, reason: impl Into<String>) -> Result<()> {
        self.answer(&Answer { refused: Some(reason.into()), ..Answer::default() })
    }
}

/// Looks now and then whether something is asked of a job.
#[derive(Debug)]
pub(crate) struct Inbox {
    folder: PathBuf,
    looked: Instant,
}

impl Inbox {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), looked: Instant::now() }
    }

    /// The oldest request, if it is time to look and there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Pending>> {
        if self.looked.elapsed() < ASKED_EVERY {
            return Ok(None);
        }
        self.looked = Instant::now();
        let entries = fs::read_dir(&self.folder).map_err(|error| failed("read", &self.folder, error))?;
        let mut ids: Vec<String> = entries
            .flatten()
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix("request-")?.to_string()))
            .filter(|id| !id.contains('.'))
            .collect();
        ids.sort();
        for id in ids {
            let path = self.folder.join(format!("request-{id}"));
            // One that was taken back in the meantime is none.
            if let Some(request) = read_sealed(&path, "request")? {
                return Ok(Some(Pending { request, folder: self.folder.clone(), id }));
            }
        }
        Ok(None)
    }
}

/// Removes what was asked of and answered by a process that is gone.
pub(crate) fn clear(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("request-") || name.starts_with("answer-") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Asks a running job for something and waits until it is done; for a job that stops, until its process has let go of it.
/// `give_up` tells when not to wait any longer.
///
/// # Errors
/// The job does not run, ends before it answers, or refuses.
pub fn ask(folder: &Path, request: &Request, give_up: &dyn Fn() -> bool) -> Result<Answer> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if holder(folder).is_none() {
        return Err(Error::Usage(format!("job '{name}' is not running")));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let id = format!("{:032x}-{:x}", now.as_nanos(), std::process::id());
    let (asked, answered) = (folder.join(format!("request-{id}")), folder.join(format!("answer-{id}")));
    write_sealed(&asked, "request", request)?;
    let answer = loop {
        // In this order: what is answered last is seen before the lock is found to be free.
        let running = holder(folder).is_some();
        if let Some(answer) = read_sealed::<Answer>(&answered, "answer")? {
            break answer;
        }
        if !running || give_up() {
            let _ = fs::remove_file(&asked);
            return Err(match running {
                true => Error::Stopped { resumable: false },
                false => Error::Usage(format!("job '{name}' ended before it did what was asked")),
            });
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let _ = fs::remove_file(&answered);
    if let Some(reason) = answer.refused {
        return Err(Error::Usage(format!("job '{name}': {reason}")));
    }
    while request.stop && holder(folder).is_some() && !give_up() {
        std::thread::sleep(LOOK_EVERY);
    }
    // Empty now, if the job has ended for good.
    let _ = fs::remove_dir(folder);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_does_not_run_is_not_asked() {
        let folder = tempfile::tempdir().unwrap();
        let error = ask(folder.path(), &Request::default(), &|| false).unwrap_err();
        assert!(error.to_string().contains("is not running"), "{error}");
    }

    #[test]
    fn a_request_is_found_and_answered_once() {
        let folder = tempfile::tempdir().unwrap();
        let request = Request { stop: true, ..Request::default() };
        write_sealed(&folder.path().join("request-1"), "request", &request).unwrap();
        let mut inbox = Inbox { folder: folder.path().to_path_buf(), looked: Instant::now() - ASKED_EVERY };
        let pending = inbox.next().unwrap().unwrap();
        assert_eq!(pending.request, request);
        pending.refuse("no").unwrap();
        inbox.looked = Instant::now() - ASKED_EVERY;
        assert!(inbox.next().unwrap().is_none());
        let answer: Answer = read_sealed(&folder.path().join("answer-1"), "answer").unwrap().unwrap();
        assert_eq!(answer.refused.as_deref(), Some("no"));
        clear(folder.path());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
