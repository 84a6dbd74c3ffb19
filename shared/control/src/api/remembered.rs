//! What IAM and EC2 said lately, so that a thousand calls do not ask a thousand times.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// So long an answer counts (updates-and-access.md, Q3).
const REMEMBERED_SECONDS: i64 = 60;
/// So many answers are remembered at most; then all are forgotten.
const MOST_REMEMBERED: usize = 4_096;

/// Answers by question, each for a minute.
#[derive(Debug)]
pub(crate) struct Remembered<Q, A>(Mutex<BTreeMap<Q, (Timestamp, A)>>);

impl<Q, A> Default for Remembered<Q, A> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<Q: Ord, A: Clone> Remembered<Q, A> {
    /// The answer, if it is not too old.
    pub(crate) fn recall(&self, question: &Q, now: Timestamp) -> Option<A> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = memory.get(question)?;
        (0..REMEMBERED_SECONDS).contains(&(now.as_second() - at.as_second())).then(|| answer.clone())
    }

    /// Keeps an answer.
    pub(crate) fn remember(&self, question: Q, now: Timestamp, answer: A) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= MOST_REMEMBERED {
            memory.clear();
        }
        memory.insert(question, (now, answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_for_less_than_a_minute_and_not_before_it_was_given() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let memory = Remembered::default();
        memory.remember("question", at(100), "answer");
        for (second, known) in [(99, false), (100, true), (159, true), (160, false)] {
            assert_eq!(memory.recall(&"question", at(second)), known.then_some("answer"), "{second}");
        }
        assert_eq!(memory.recall(&"other", at(100)), None);
    }

    #[test]
    fn when_it_is_full_all_is_forgotten() {
        let memory = Remembered::default();
        let now = Timestamp::from_second(0).unwrap();
        for n in 0..=MOST_REMEMBERED {
            memory.remember(n, now, ());
        }
        assert_eq!((memory.recall(&0, now), memory.recall(&MOST_REMEMBERED, now)), (None, Some(())));
    }
}
