//! Long answers, kept as long as the store says that nothing they were made of has changed.
//!
//! DescribeInstances of a large stack is read again and again by waiters, consoles and controllers, mostly unchanged. Where the store can
//! stamp a partition for less than it costs to read it ([`Store::stamp`](strata_ports::Store::stamp)), the finished body is given again
//! under the same stamp. Ids and permissions are checked before, each time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// All kept answers together have at most so many bytes; a longer one is not kept at all.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Kept answers by what was asked.
#[derive(Debug, Default)]
pub(crate) struct AnswerMemory(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    answers: BTreeMap<String, (u64, Bytes)>,
    bytes: usize,
}

impl AnswerMemory {
    /// The answer to `question` under `stamp`.
    pub(crate) fn recall(&self, question: &str, stamp: Option<u64>) -> Option<Bytes> {
        let stamp = stamp?;
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.answers.get(question).filter(|(of, _)| *of == stamp).map(|(_, body)| body.clone())
    }

    /// Keeps an answer that was made after `stamp` was read. When there is no room, all others are forgotten.
    pub(crate) fn keep(&self, question: String, stamp: Option<u64>, body: &Bytes) {
        let Some(stamp) = stamp.filter(|_| body.len() <= MOST_BYTES) else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, old)) = kept.answers.remove(&question) {
            kept.bytes -= old.len();
        }
        if kept.bytes + body.len() > MOST_BYTES {
            *kept = Kept::default();
        }
        kept.bytes += body.len();
        kept.answers.insert(question, (stamp, body.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_again_under_its_own_stamp_only() {
        let memory = AnswerMemory::default();
        let body = Bytes::from_static(b"{}");
        memory.keep("a".to_owned(), Some(1), &body);
        assert_eq!(memory.recall("a", Some(1)), Some(body.clone()));
        assert_eq!((memory.recall("a", Some(2)), memory.recall("b", Some(1)), memory.recall("a", None)), (None, None, None));
        memory.keep("a".to_owned(), None, &body);
        assert_eq!(memory.recall("a", Some(1)), Some(body), "what has no stamp changes nothing");
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let memory = AnswerMemory::default();
        let half = Bytes::from(vec![b'x'; MOST_BYTES / 2]);
        memory.keep("a".to_owned(), Some(1), &half);
        memory.keep("a".to_owned(), Some(2), &half);
        memory.keep("b".to_owned(), Some(1), &half);
        assert!(memory.recall("a", Some(2)).is_some() && memory.recall("b", Some(1)).is_some(), "both have room");
        memory.keep("c".to_owned(), Some(1), &Bytes::from_static(b"{}"));
        assert!(memory.recall("a", Some(2)).is_none() && memory.recall("c", Some(1)).is_some());
        memory.keep("d".to_owned(), Some(1), &Bytes::from(vec![b'x'; MOST_BYTES + 1]));
        assert!(memory.recall("d", Some(1)).is_none() && memory.recall("c", Some(1)).is_some());
    }
}
