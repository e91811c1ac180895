//! A queue between two threads that holds so many things and so many bytes at the most: who puts more into it waits.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Makes a queue. `size` tells how many bytes a thing takes.
pub(crate) fn queue<T>(items_max: usize, bytes_max: usize, size: fn(&T) -> usize) -> (Sender<T>, Receiver<T>) {
    let state = State { items: VecDeque::new(), bytes: 0, abandoned: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), items_max, bytes_max, size });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    items_max: usize,
    bytes_max: usize,
    size: fn(&T) -> usize,
}

struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    /// The other side is gone.
    abandoned: bool,
}

/// Nobody takes things out any more.
#[derive(Debug, PartialEq)]
pub(crate) struct Gone;

/// Why there is nothing to take.
#[derive(Debug, PartialEq)]
pub(crate) enum Empty {
    /// Nothing has come yet.
    Yet,
    /// Nothing will come.
    ForGood,
}

/// Puts things into a queue.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// Takes things out of a queue.
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, state: &mut State<T>) -> Option<T> {
        let (item, bytes) = state.items.pop_front()?;
        state.bytes -= bytes;
        self.changed.notify_all();
        Some(item)
    }

    fn abandon(&self) {
        self.lock().abandoned = true;
        self.changed.notify_all();
    }
}

impl<T> Sender<T> {
    /// Puts something into the queue, when there is room for it; something that is larger than the queue may be, when it is
    /// empty. Says how long that took.
    pub(crate) fn send(&self, item: T) -> Result<Duration, Gone> {
        let Shared { items_max, bytes_max, size, .. } = *self.0;
        let bytes = size(&item);
        let mut state = self.0.lock();
        let is_full = |state: &State<T>| {
            !state.items.is_empty() && (state.items.len() >= items_max || state.bytes.saturating_add(bytes) > bytes_max)
        };
        let mut waited = Duration::ZERO;
        if is_full(&state) && !state.abandoned {
            let began = Instant::now();
            while is_full(&state) && !state.abandoned {
                state = self.0.wait(state);
            }
            waited = began.elapsed();
        }
        if state.abandoned {
            return Err(Gone);
        }
        state.bytes += bytes;
        state.items.push_back((item, bytes));
        self.0.changed.notify_all();
        Ok(waited)
    }
}

impl<T> Receiver<T> {
    /// The next thing; `None` when all is taken and nobody puts anything in any more.
    pub(crate) fn recv(&self) -> Option<T> {
        let mut state = self.0.lock();
        loop {
            if let Some(item) = self.0.take(&mut state) {
                return Some(item);
            }
            if state.abandoned {
                return None;
            }
            state = self.0.wait(state);
        }
    }

    /// The next thing, waited for up to `patience`.
    pub(crate) fn recv_within(&self, patience: Duration) -> Result<T, Empty> {
        let until = Instant::now() + patience;
        let mut state = self.0.lock();
        loop {
            if let Some(item) = self.0.take(&mut state) {
                return Ok(item);
            }
            if state.abandoned {
                return Err(Empty::ForGood);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Empty::Yet);
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends things of these sizes from a thread, and gives how many there are when the sender cannot go on.
    fn sent_before_any_is_taken(sizes: &'static [usize], items_max: usize, bytes_max: usize) -> usize {
        let (sender, receiver) = queue(items_max, bytes_max, |(_, size): &(usize, usize)| *size);
        let thread = std::thread::spawn(move || {
            for (i, size) in sizes.iter().enumerate() {
                sender.send((i, *size)).unwrap();
            }
        });
        // Full for the next one: the sender waits for what is taken below, and for nothing else.
        let full = |state: &State<(usize, usize)>| {
            let next = sizes.get(state.items.len()).copied().unwrap_or_default();
            !state.items.is_empty() && (state.items.len() == items_max || state.bytes + next > bytes_max)
        };
        while !full(&receiver.0.lock()) {
            std::thread::yield_now();
        }
        let before = receiver.0.lock().items.len();
        let taken: Vec<usize> = std::iter::from_fn(|| receiver.recv()).map(|(i, _)| i).collect();
        assert_eq!(taken, (0..sizes.len()).collect::<Vec<_>>(), "in their order");
        thread.join().unwrap();
        before
    }

    #[test]
    fn the_sender_waits_for_room_by_number_and_by_bytes() {
        assert_eq!(sent_before_any_is_taken(&[1; 20], 4, 100), 4);
        assert_eq!(sent_before_any_is_taken(&[40; 20], 4, 100), 2);
        // What is larger than the queue goes through alone.
        assert_eq!(sent_before_any_is_taken(&[500; 5], 4, 100), 1);
    }

    #[test]
    fn a_side_learns_that_the_other_is_gone() {
        let (sender, receiver) = queue(4, 100, |_: &i32| 1);
        assert_eq!(receiver.recv_within(Duration::ZERO), Err(Empty::Yet));
        assert_eq!(sender.send(1), Ok(Duration::ZERO));
        sender.send(2).unwrap();
        drop(sender);
        assert_eq!((receiver.recv(), receiver.recv_within(Duration::ZERO)), (Some(1), Ok(2)));
        assert_eq!((receiver.recv(), receiver.recv_within(Duration::from_secs(60))), (None, Err(Empty::ForGood)));
        let (sender, receiver) = queue(1, 100, |_: &i32| 1);
        sender.send(1).unwrap();
        let waits = std::thread::spawn(move || sender.send(2));
        drop(receiver);
        assert_eq!(waits.join().unwrap(), Err(Gone));
    }
}
