//! Commands on instances: which of an instance's commands is sent next, which never is, and how one ends [CMD-19, 20, 33..35].

pub mod keeping;

use jiff::{SignedDuration, Timestamp};

use crate::InstanceStatus;
use crate::instance_actions::runs_command;

/// A command that is neither acknowledged nor finished within it is over [CMD-34].
pub const LIMIT: SignedDuration = SignedDuration::from_hours(1);
/// SSM ends what takes too long by itself; so long after that it is not waited for any more.
const GRACE: SignedDuration = SignedDuration::from_mins(5);
/// `Type` of the run that brings a host's users in step [SSH-9].
pub const SYNC_USERS: &str = "sync_remote_users";

/// A command that is not finished, as its instance's queue knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued<'a> {
    /// `Type`, for example `configure`.
    pub kind: &'a str,
    /// Nobody asked for it by name [CMD-27].
    pub by_service: bool,
    /// Since when it stands in the queue.
    pub created_at: Timestamp,
    /// When it was first tried to send it; noted before the call.
    pub begun_at: Option<Timestamp>,
    /// Its time limit [CMD-34].
    pub limit: SignedDuration,
    /// What is known of its run.
    pub run: Run,
}

/// What is known of a command's run on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It was not sent, or that is not known.
    NotSent,
    /// It was sent and has not begun, or nobody answered.
    Sent,
    /// It runs.
    Running,
    /// It came to its end.
    Ended {
        /// Whether its exit code was 0.
        well: bool,
    },
    /// It was given up for want of time.
    TimedOut,
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Exit code 0.
    Successful,
    /// Another exit code.
    Failed,
    /// Never run: the host is in no state for it [CMD-20].
    Skipped,
    /// Not acknowledged or not finished in its time [CMD-34].
    Expired,
    /// A newer one makes it needless [CMD-33].
    Superseded,
}

/// What is to be done about a command now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Wait,
    /// Note that the host has taken it.
    Acknowledge,
    /// Send it, or find it where it was sent before.
    Send,
    /// It is over.
    Finish(End),
}

/// Whether a command runs on a host of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Now,
    Later,
    Never,
}

/// What is to be done about each of one instance's unfinished commands, in the order in which they were created.
///
/// One runs at a time [CMD-35]. Our choice: a sync of users does not wait for the others, since a revoked user would keep access for
/// as long as somebody's recipe runs; it waits for other syncs. `status` is `None` when the instance is gone.
pub fn next(queue: &[Queued<'_>], status: Option<InstanceStatus>, now: Timestamp) -> Vec<Step> {
    let mut steps = Vec::with_capacity(queue.len());
    let mut taken: Vec<bool> = Vec::new();
    for (at, command) in queue.iter().enumerate() {
        let is_sync = command.kind == SYNC_USERS;
        let is_free = !taken.contains(&is_sync);
        let step = match command.begun_at {
            Some(begun) => under_way(command, begun, status, now),
            None => waiting(command, &queue[at + 1..], status, is_free, now),
        };
        // What has ended makes room for the next one at once.
        if !matches!(step, Step::Finish(_)) {
            taken.push(is_sync);
        }
        steps.push(step);
    }
    steps
}

fn under_way(command: &Queued<'_>, begun: Timestamp, status: Option<InstanceStatus>, now: Timestamp) -> Step {
    // SSM counts the limit once for the delivery and once for the run.
    let is_over = now.duration_since(begun) >= command.limit.saturating_mul(2).saturating_add(GRACE);
    match command.run {
        Run::Ended { well: true } => Step::Finish(End::Successful),
        Run::Ended { well: false } => Step::Finish(End::Failed),
        Run::TimedOut => Step::Finish(End::Expired),
        Run::NotSent | Run::Sent | Run::Running if is_over || status.is_none() => Step::Finish(End::Expired),
        Run::NotSent => Step::Send,
        Run::Running => Step::Acknowledge,
        Run::Sent => Step::Wait,
    }
}

fn waiting(command: &Queued<'_>, newer: &[Queued<'_>], status: Option<InstanceStatus>, is_free: bool, now: Timestamp) -> Step {
    if command.by_service && newer.iter().any(|other| other.kind == command.kind) {
        return Step::Finish(End::Superseded);
    }
    let Some(status) = status else { return Step::Finish(End::Skipped) };
    if now.duration_since(command.created_at) >= command.limit {
        return Step::Finish(End::Expired);
    }
    match fit(command.kind, status) {
        Fit::Never => Step::Finish(End::Skipped),
        Fit::Later => Step::Wait,
        Fit::Now if is_free => Step::Send,
        Fit::Now => Step::Wait,
    }
}

/// A host that is on its way back is waited for; one that goes down, or is down, takes no command any more, and its next start
/// brings it in step.
fn fit(kind: &str, status: InstanceStatus) -> Fit {
    use InstanceStatus as S;
    let is_sync = kind == SYNC_USERS;
    if runs_command(kind, status) || (is_sync && matches!(status, S::Registered | S::SetupFailed)) {
        return Fit::Now;
    }
    match status {
        S::RunningSetup | S::Rebooting | S::ConnectionLost | S::Assigning => Fit::Later,
        S::Booting | S::Registering | S::Unassigning if is_sync => Fit::Later,
        S::Requested
        | S::Pending
        | S::Booting
        | S::Online
        | S::SetupFailed
        | S::StartFailed
        | S::Stopping
        | S::ShuttingDown
        | S::Terminating
        | S::Terminated
        | S::StopFailed
        | S::Stopped
        | S::Registering
        | S::Registered
        | S::Unassigning
        | S::Deregistering => Fit::Never,
    }
}

/// Whether a host of this status may have users who are not in step with their permissions: its machine may be up [SSH-3, SSH-10].
pub fn may_have_users(status: InstanceStatus) -> bool {
    fit(SYNC_USERS, status) != Fit::Never
}

/// A sync that failed is tried again after 1, 2, 4, ... minutes, at most an hour apart; `failures` is how many there were.
pub fn retry_after(failures: u32) -> SignedDuration {
    SignedDuration::from_mins(1_i64 << failures.saturating_sub(1).min(6)).min(SignedDuration::from_hours(1))
}

/// From so many failures of one host's sync on, people are told: by a service error and a page.
pub const FAILURES_BEFORE_PAGE: u32 = 3;

/// Whether a run's last line says that its host has a Configure hook: the documents end with `...; hooks: setup configure`. `None` where
/// it says nothing about hooks.
pub fn has_configure_hook(last_line: &str) -> Option<bool> {
    let (_, hooks) = last_line.rsplit_once("; hooks:")?;
    Some(hooks.split_whitespace().any(|hook| hook == "configure"))
}

/// Which right to write logs a run has found its machine's role to lack, in the documents' words: their last line is `...; logs: WORDS; hooks:...`
/// then [CWL-5].
pub fn missing_log_right(last_line: &str) -> Option<&str> {
    let (_, told) = last_line.split_once("; logs: ")?;
    told.split("; ").next().filter(|words| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use InstanceStatus as S;

    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
    }

    fn queued(kind: &str) -> Queued<'_> {
        Queued { kind, by_service: false, created_at: at(0), begun_at: None, limit: LIMIT, run: Run::NotSent }
    }

    fn begun(kind: &str, run: Run) -> Queued<'_> {
        Queued { begun_at: Some(at(0)), run, ..queued(kind) }
    }

    fn one(command: Queued<'_>, status: Option<S>, minutes: i64) -> Step {
        next(&[command], status, at(minutes))[0]
    }

    /// [CMD-35]
    #[test]
    fn cmd_35_one_runs_at_a_time_in_order_of_creation_and_a_sync_of_users_beside_it() {
        let online = Some(S::Online);
        let two = [queued("setup"), queued("configure")];
        assert_eq!(next(&two, online, at(0)), [Step::Send, Step::Wait]);
        for (first, step) in [
            (Run::NotSent, [Step::Send, Step::Wait]),
            (Run::Sent, [Step::Wait, Step::Wait]),
            (Run::Running, [Step::Acknowledge, Step::Wait]),
            (Run::Ended { well: true }, [Step::Finish(End::Successful), Step::Send]),
            (Run::Ended { well: false }, [Step::Finish(End::Failed), Step::Send]),
            (Run::TimedOut, [Step::Finish(End::Expired), Step::Send]),
        ] {
            assert_eq!(next(&[begun("execute_recipes", first), queued("configure")], online, at(1)), step, "{first:?}");
        }
        let beside = [begun("execute_recipes", Run::Running), queued(SYNC_USERS), queued("configure")];
        assert_eq!(next(&beside, online, at(1)), [Step::Acknowledge, Step::Send, Step::Wait]);
        let syncs = [begun(SYNC_USERS, Run::Running), queued(SYNC_USERS), queued("configure")];
        assert_eq!(next(&syncs, online, at(1)), [Step::Acknowledge, Step::Wait, Step::Send], "one sync at a time");
    }

    /// [CMD-34]
    #[test]
    fn cmd_34_what_is_not_taken_or_not_finished_in_its_time_expires() {
        let busy = |minutes| next(&[begun("a", Run::Running), queued("configure")], Some(S::Online), at(minutes))[1];
        assert_eq!((busy(59), busy(60)), (Step::Wait, Step::Finish(End::Expired)));
        let silent = |minutes| one(begun("configure", Run::Sent), Some(S::Online), minutes);
        assert_eq!((silent(124), silent(125)), (Step::Wait, Step::Finish(End::Expired)));
        let short = Queued { limit: SignedDuration::from_mins(2), ..begun("shutdown", Run::Running) };
        assert_eq!(
            (one(short, Some(S::ShuttingDown), 8), one(short, Some(S::ShuttingDown), 9)),
            (Step::Acknowledge, Step::Finish(End::Expired))
        );
        let late = one(begun("configure", Run::Ended { well: true }), Some(S::Online), 500);
        assert_eq!(late, Step::Finish(End::Successful), "what did end in time is not called late");
    }

    /// [CMD-33] [LIFE-3]: of a burst the newest runs, and what is older and not begun is superseded.
    #[test]
    fn cmd_33_of_many_configures_only_the_last_runs_and_what_a_person_asked_for_is_run() {
        let own = Queued { by_service: true, ..queued("configure") };
        let superseded = Step::Finish(End::Superseded);
        assert_eq!(next(&[own, own, own], Some(S::Online), at(0)), [superseded, superseded, Step::Send]);
        assert_eq!(next(&[queued("configure"), own], Some(S::Online), at(0)), [Step::Send, Step::Wait]);
        let running = Queued { by_service: true, ..begun("configure", Run::Running) };
        assert_eq!(next(&[running, own], Some(S::Online), at(0)), [Step::Acknowledge, Step::Wait], "one that runs is let run");
    }

    /// [CMD-20]
    #[test]
    fn cmd_20_a_host_that_goes_down_is_skipped_and_one_that_comes_back_is_waited_for() {
        for (status, configure, sync) in [
            (Some(S::Online), Step::Send, Step::Send),
            (Some(S::RunningSetup), Step::Wait, Step::Wait),
            (Some(S::Rebooting), Step::Wait, Step::Wait),
            (Some(S::ConnectionLost), Step::Wait, Step::Wait),
            (Some(S::Booting), Step::Finish(End::Skipped), Step::Wait),
            (Some(S::SetupFailed), Step::Finish(End::Skipped), Step::Send),
            (Some(S::Registered), Step::Finish(End::Skipped), Step::Send),
            (Some(S::Stopping), Step::Finish(End::Skipped), Step::Finish(End::Skipped)),
            (Some(S::Stopped), Step::Finish(End::Skipped), Step::Finish(End::Skipped)),
            (None, Step::Finish(End::Skipped), Step::Finish(End::Skipped)),
        ] {
            assert_eq!(one(queued("configure"), status, 0), configure, "{status:?}");
            assert_eq!(one(queued(SYNC_USERS), status, 0), sync, "{status:?}");
            assert_eq!(status.is_some_and(may_have_users), !matches!(sync, Step::Finish(_)), "{status:?}");
        }
        assert_eq!(one(begun("configure", Run::Sent), None, 0), Step::Finish(End::Expired), "nobody will ever tell");
    }

    #[test]
    fn a_failed_sync_is_tried_again_less_and_less_often() {
        let minutes: Vec<i64> = [0, 1, 2, 3, 6, 7, 8, u32::MAX].map(|n| retry_after(n).as_secs() / 60).into();
        assert_eq!(minutes, [1, 1, 2, 4, 32, 60, 60, 60]);
    }

    /// [CWL-5]
    #[test]
    fn cwl_5_the_last_line_of_a_run_tells_which_right_to_write_logs_is_missing() {
        let words = "the instance profile may not call logs:CreateLogStream for shop/web";
        for (line, told) in [
            (format!("web1 is set up; users: not in step; logs: {words}; hooks: setup"), Some(words)),
            (format!("web1 is configured; logs: {words}"), Some(words)),
            ("web1 is set up; hooks: logs".to_owned(), None),
            ("web1 is set up; logs: ; hooks:".to_owned(), None),
        ] {
            assert_eq!(missing_log_right(&line), told, "{line}");
        }
    }

    #[test]
    fn the_last_line_of_a_run_tells_of_hooks_or_says_nothing() {
        for (line, told) in [
            ("web1 is set up; hooks: setup configure", Some(true)),
            ("web1 is set up; hooks: configured", Some(false)),
            ("web1 is set up; hooks:", Some(false)),
            ("web1 is set up", None),
            ("the hook /etc/strata/hooks/configure.d/1 ended with exit code 5", None),
        ] {
            assert_eq!(has_configure_hook(line), told, "{line}");
        }
    }
}
