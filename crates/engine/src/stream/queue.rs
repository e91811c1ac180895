//! A queue between two threads that holds so many things and so many bytes at the most: who puts more into it waits.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Makes a queue.
pub(crate) fn queue<T>(items_max: usize, bytes_max: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { items: VecDeque::new(), bytes: 0, abandoned: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), items_max, bytes_max });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    items_max: usize,
    bytes_max: usize,
}

struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    /// The other side is gone.
    abandoned: bool,
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

    fn abandon(&self) {
        self.lock().abandoned = true;
        self.changed.notify_all();
    }
}

impl<T> Sender<T> {
    /// Puts something of so many bytes into the queue, when there is room for it; something that is larger than the queue may
    /// be, when it is empty. Says how long that took; `None` if nobody takes things out any more.
    pub(crate) fn send(&self, item: T, bytes: usize) -> Option<Duration> {
        let Shared { items_max, bytes_max, .. } = *self.0;
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
            return None;
        }
        state.bytes += bytes;
        state.items.push_back((item, bytes));
        self.0.changed.notify_all();
        Some(waited)
    }
}

impl<T> Receiver<T> {
    /// The next thing; `None` when all is taken and nobody puts anything in any more.
    pub(crate) fn recv(&self) -> Option<T> {
        let mut state = self.0.lock();
        loop {
            if let Some((item, bytes)) = state.items.pop_front() {
                state.bytes -= bytes;
                self.0.changed.notify_all();
                return Some(item);
            }
            if state.abandoned {
                return None;
            }
            state = self.0.wait(state);
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Sends things of these sizes from a thread, and gives how many were sent when the sender cannot go on.
    fn sent_before_any_is_taken(sizes: &'static [usize], items_max: usize, bytes_max: usize) -> usize {
        let (sender, receiver) = queue(items_max, bytes_max);
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let thread = std::thread::spawn(move || {
            for (i, size) in sizes.iter().enumerate() {
                sender.send(i, *size).unwrap();
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        // Full for the next one: it waits for what is taken below, and for nothing else.
        let full = |state: &State<usize>| {
            let next = sizes.get(state.items.len()).copied().unwrap_or_default();
            state.items.len() == items_max || state.bytes + next > bytes_max
        };
        while !full(&receiver.0.lock()) {
            std::thread::yield_now();
        }
        let before = receiver.0.lock().items.len();
        let taken: Vec<usize> = std::iter::from_fn(|| receiver.recv()).collect();
        assert_eq!(taken, (0..sizes.len()).collect::<Vec<_>>(), "in their order");
        thread.join().unwrap();
        assert_eq!(sent.load(Ordering::SeqCst), sizes.len());
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
        let (sender, receiver) = queue(4, 100);
        assert!(sender.send(1, 1).is_some());
        drop(sender);
        assert_eq!((receiver.recv(), receiver.recv()), (Some(1), None));
        let (sender, receiver) = queue(1, 100);
        sender.send(1, 1).unwrap();
        let waits = std::thread::spawn(move || sender.send(2, 1));
        drop(receiver);
        assert_eq!(waits.join().unwrap(), None);
    }
}
