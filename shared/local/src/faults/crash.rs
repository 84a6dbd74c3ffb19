//! Crashes: at a chosen call the process dies, before the call is made or after it, when its answer is lost with all that was known.
//!
//! A call at which it dies never returns. Whoever drives the world waits for [`Faulty::died`] beside the work, drops the work, which is all
//! the process's memory, and begins anew from the store. Calls are counted by themselves: every port's calls pass through here.

use strata_ports::CloudError;

use super::{Faulty, Kind};

/// On which side of a call the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The call is never made.
    Before,
    /// The call was made and did its work; nobody hears the answer.
    After,
}

/// A call at which the process can die: one of the cloud's, or a commit of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Called {
    /// The action, for example `ec2:RunInstances` or `store:commit`.
    pub action: &'static str,
    /// Whether it changes something.
    pub writes: bool,
}

/// What is noted, and where the end comes.
#[derive(Debug, Default)]
pub(super) struct Crash {
    /// Calls since the counting began; `None`: they are not counted.
    calls: Option<Vec<Called>>,
    /// At which of them, from 0 on, it dies.
    at: Option<(usize, Moment)>,
}

impl Faulty {
    /// Counts calls from now on, and lets the process die at the `number`th of them, from 0 on; `None`: it lives.
    pub fn crash_at(&self, crash: Option<(usize, Moment)>) {
        *self.crash() = Crash { calls: Some(Vec::new()), at: crash };
    }

    /// The calls since [`Faulty::crash_at`], in order; the counting ends.
    pub fn take_calls(&self) -> Vec<Called> {
        std::mem::take(&mut *self.crash()).calls.unwrap_or_default()
    }

    /// Returns when the process has died; not before, and once for each death.
    pub async fn died(&self) {
        self.died.notified().await;
    }

    /// Counts a call; the side of it on which the process dies, if it does.
    pub(super) fn end_at(&self, action: &'static str, kind: Kind) -> Option<Moment> {
        let mut crash = self.crash();
        let calls = crash.calls.as_mut()?;
        let number = calls.len();
        calls.push(Called { action, writes: kind == Kind::Writes });
        let (_, moment) = crash.at.take_if(|(at, _)| *at == number)?;
        Some(moment)
    }

    /// Dies, if this is the moment.
    pub(super) async fn die_if(&self, is_now: bool) {
        if is_now {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Makes a call that fails by no plan.
    pub(super) async fn count<T>(
        &self,
        action: &'static str,
        call: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<T, CloudError> {
        let end = self.end_at(action, Kind::Reads);
        self.die_if(end == Some(Moment::Before)).await;
        let answer = call.await;
        self.die_if(end == Some(Moment::After)).await;
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use strata_ports::{Change, Expect, Key, ModeScope, Store};

    use super::super::FaultPlan;
    use super::*;
    use crate::Standalone;

    async fn commit(store: &dyn Store, n: u32) {
        let key = Key::new("p", n.to_string());
        store.commit(vec![Change::put(key, &n, Expect::Absent)]).await.unwrap();
    }

    /// Two commits and a look at the modes; what stands afterwards, and whether the process lived to the end.
    async fn run(crash: Option<(usize, Moment)>) -> (Vec<u32>, bool, Vec<Called>) {
        let ports = Standalone::new().ports;
        let store = ports.store.clone();
        let faulty = Faulty::new(FaultPlan::quiet(1), ports.clock.clone());
        let ports = faulty.wrap(ports);
        faulty.crash_at(crash);
        let work = async {
            commit(&*ports.store, 0).await;
            ports.modes.read(&[ModeScope::Installation]).await.unwrap();
            commit(&*ports.store, 1).await;
        };
        let lived = tokio::select! { biased; () = faulty.died() => false, () = work => true };
        let mut standing = Vec::new();
        for n in 0..2u32 {
            standing.extend(store.get(&Key::new("p", n.to_string())).await.unwrap().map(|_| n));
        }
        (standing, lived, faulty.take_calls())
    }

    #[tokio::test]
    async fn the_process_dies_before_a_call_or_after_it_and_what_was_done_stands() {
        let (standing, lived, calls) = run(None).await;
        assert_eq!((standing, lived), (vec![0, 1], true));
        let actions: Vec<_> = calls.iter().map(|c| (c.action, c.writes)).collect();
        assert_eq!(actions, [("store:commit", true), ("ssm:GetParameters", false), ("store:commit", true)]);
        for (at, moment, stands) in [
            (0, Moment::Before, vec![]),
            (0, Moment::After, vec![0]),
            (1, Moment::Before, vec![0]),
            (1, Moment::After, vec![0]),
            (2, Moment::Before, vec![0]),
            (2, Moment::After, vec![0, 1]),
        ] {
            let (standing, lived, calls) = run(Some((at, moment))).await;
            assert_eq!((standing, lived, calls.len()), (stands, false, at + 1), "{at} {moment:?}");
        }
        let (_, lived, _) = run(Some((3, Moment::Before))).await;
        assert!(lived, "there is no fourth call");
    }

    #[tokio::test]
    async fn without_counting_nothing_is_kept() {
        let ports = Standalone::new().ports;
        let faulty: Arc<Faulty> = Faulty::new(FaultPlan::quiet(1), ports.clock.clone());
        commit(&*faulty.wrap(ports).store, 0).await;
        assert_eq!(faulty.take_calls(), []);
    }
}
