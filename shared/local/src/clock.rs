//! Clocks: virtual time, which runs on tokio's paused clock or along with the machine, and the machine's, which is the ports' own.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use strata_ports::Clock;
pub use strata_ports::machine::SystemClock;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

/// A runtime whose time is virtual: it stands still while any task can run, and jumps to the next deadline when none can.
///
/// Time must be paused from the very start: a clock that is paused later is out of step with tokio's timer by a part of a
/// millisecond, and each sleep would then come out a millisecond long.
///
/// # Errors
/// When the operating system gives no event queue.
pub fn virtual_runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_time().start_paused(true).build()
}

/// Time since `start` as tokio's clock tells it, exact to the millisecond on a [`virtual_runtime`].
///
/// On an ordinary runtime it runs along with the machine, from `start`, as many times faster as its speed says.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    start: Timestamp,
    base: Instant,
    speed: NonZeroU32,
}

impl VirtualClock {
    /// A clock that says `start` now. To be called on the runtime whose time it tells; clones tell the same time.
    pub fn new(start: Timestamp) -> Self {
        Self::at_speed(start, NonZeroU32::MIN)
    }

    /// A clock that says `start` now and on which `speed` seconds pass in one of the machine's.
    pub fn at_speed(start: Timestamp, speed: NonZeroU32) -> Self {
        Self { start, base: Instant::now(), speed }
    }

    /// What it said when it was made.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Returns at `deadline`, at once if that is past. Deadlines finer than a millisecond are met at the next whole one.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        let nanos = deadline.duration_since(self.start).as_nanos();
        let millis = u64::try_from(nanos.max(0).unsigned_abs().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let millis = millis.div_ceil(u64::from(self.speed.get()));
        match self.base.checked_add(Duration::from_millis(millis)) {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }

    /// Returns after `duration`, at once if that is not positive.
    pub async fn sleep(&self, duration: SignedDuration) {
        self.sleep_until(self.now().saturating_add(duration).unwrap_or(Timestamp::MAX)).await;
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let passed = Instant::now().saturating_duration_since(self.base).as_nanos();
        let passed = passed.saturating_mul(u128::from(self.speed.get())) / 1_000_000;
        let passed = SignedDuration::from_millis(i64::try_from(passed).unwrap_or(i64::MAX));
        self.start.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "2026-03-01T00:00:00Z";

    fn run<F: Future>(test: impl FnOnce(VirtualClock) -> F) -> F::Output {
        virtual_runtime().unwrap().block_on(async { test(VirtualClock::new(START.parse().unwrap())).await })
    }

    #[test]
    fn time_moves_by_exactly_what_is_slept() {
        run(|clock| async move {
            assert_eq!(clock.now().to_string(), START);
            for ms in [1, 7, 999, 60_000, 86_400_000] {
                let before = clock.now();
                clock.sleep(SignedDuration::from_millis(ms)).await;
                assert_eq!(clock.now().duration_since(before), SignedDuration::from_millis(ms));
            }
        });
    }

    #[test]
    fn at_speed_a_sleep_is_so_much_shorter_for_the_machine_and_never_too_short() {
        run(|clock| async move {
            for speed in [1, 7, 60] {
                let fast = VirtualClock::at_speed(clock.now(), NonZeroU32::new(speed).unwrap());
                for ms in [1, 59, 60, 61, 90_000] {
                    let (before, real) = (fast.now(), clock.now());
                    fast.sleep(SignedDuration::from_millis(ms)).await;
                    let slept = fast.now().duration_since(before).as_millis();
                    let machine = clock.now().duration_since(real).as_millis();
                    let speed = i128::from(speed);
                    assert!((i128::from(ms)..i128::from(ms) + speed).contains(&slept), "{ms} ms at {speed}: {slept}");
                    assert_eq!(machine, slept / speed, "{ms} ms at {speed}");
                }
            }
        });
    }

    #[test]
    fn a_year_of_minutes_does_not_drift() {
        run(|clock| async move {
            for _ in 0..525_600 {
                clock.sleep(SignedDuration::from_mins(1)).await;
            }
            assert_eq!(clock.now().to_string(), "2027-03-01T00:00:00Z");
        });
    }

    #[test]
    fn a_past_deadline_is_over_at_once_and_a_fraction_is_rounded_up() {
        run(|clock| async move {
            clock.sleep_until("2020-01-01T00:00:00Z".parse().unwrap()).await;
            clock.sleep(SignedDuration::from_secs(-5)).await;
            clock.sleep(SignedDuration::ZERO).await;
            assert_eq!(clock.now().to_string(), START);
            clock.sleep_until("2026-03-01T00:00:00.0100001Z".parse().unwrap()).await;
            assert_eq!(clock.now().to_string(), "2026-03-01T00:00:00.011Z");
        });
    }

    #[test]
    fn sleepers_wake_in_the_order_of_their_deadlines() {
        run(|clock| async move {
            let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
            for seconds in [30, 10, 20] {
                let say = say.clone();
                tokio::spawn(async move {
                    clock.sleep(SignedDuration::from_secs(seconds)).await;
                    say.send((seconds, clock.now().to_string())).unwrap();
                });
            }
            drop(say);
            let mut order = Vec::new();
            while let Some(one) = said.recv().await {
                order.push(one);
            }
            let at = |s: &str| format!("2026-03-01T00:00:{s}Z");
            assert_eq!(order, [(10, at("10")), (20, at("20")), (30, at("30"))]);
        });
    }

    #[test]
    fn a_deadline_beyond_all_time_does_not_panic() {
        run(|clock| async move {
            let other = clock.sleep(SignedDuration::from_secs(1));
            tokio::select! {
                biased;
                () = clock.sleep_until(Timestamp::MAX) => panic!("the end of time has come"),
                () = other => {}
            }
        });
    }
}
