//! What is kept of an instance's commands [CMD-31] [QTA-6].

use jiff::Timestamp;

/// The logs of so many commands of an instance are kept, the newest.
pub const LOGS_KEPT: usize = 30;

/// A command of an instance, as far as keeping it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// When it was made.
    pub created_at: Timestamp,
    /// Nothing more comes.
    pub is_final: bool,
    /// Nobody asked for it by name, so no deployment shows it.
    pub by_service: bool,
    /// It has a log.
    pub has_log: bool,
}

/// How much of a command is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of it.
    Whole,
    /// All but its log.
    WithoutLog,
    /// Nothing.
    Nothing,
}

/// What is kept of each of an instance's commands, in the order in which they are given; of two that were made at once, the later given
/// counts as the newer.
///
/// Our choice: of what the service ran by itself nothing is kept beyond that, or a host would gather records for as long as it lives; what
/// somebody asked for stays with its deployment, without its log.
pub fn keeping(commands: &[Past]) -> Vec<Keep> {
    let newer = |at: usize, one: &Past| {
        let is_newer = |(n, other): &(usize, &Past)| (other.created_at, *n) > (one.created_at, at);
        commands.iter().enumerate().filter(is_newer).count()
    };
    let keep = |(at, one): (usize, &Past)| {
        if !one.is_final || newer(at, one) < LOGS_KEPT {
            Keep::Whole
        } else if one.by_service {
            Keep::Nothing
        } else if one.has_log {
            Keep::WithoutLog
        } else {
            Keep::Whole
        }
    };
    commands.iter().enumerate().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(second: i64) -> Past {
        let created_at = Timestamp::from_second(1_800_000_000 + second).unwrap();
        Past { created_at, is_final: true, by_service: false, has_log: true }
    }

    /// [QTA-6] [CMD-31]
    #[test]
    fn qta_6_the_logs_of_the_thirty_newest_are_kept() {
        let mut commands: Vec<Past> = (0..30).map(past).collect();
        assert_eq!(keeping(&commands), [Keep::Whole; 30]);
        commands.insert(7, past(30));
        let kept = keeping(&commands);
        assert_eq!(kept[0], Keep::WithoutLog, "the thirty-first");
        assert!(kept[1..].iter().all(|keep| *keep == Keep::Whole), "in whatever order they are given");
    }

    #[test]
    fn an_older_one_goes_if_the_service_made_it_and_stays_while_it_runs() {
        let with = |oldest: Past| {
            let commands: Vec<Past> = [oldest].into_iter().chain((1..=30).map(past)).collect();
            keeping(&commands)[0]
        };
        for (oldest, keep) in [
            (past(0), Keep::WithoutLog),
            (Past { has_log: false, ..past(0) }, Keep::Whole),
            (Past { by_service: true, ..past(0) }, Keep::Nothing),
            (Past { by_service: true, has_log: false, ..past(0) }, Keep::Nothing),
            (Past { by_service: true, is_final: false, ..past(0) }, Keep::Whole),
        ] {
            assert_eq!(with(oldest), keep, "{oldest:?}");
        }
        let at_once = [past(0); 31];
        assert_eq!(keeping(&at_once)[..2], [Keep::WithoutLog, Keep::Whole], "one only");
    }
}
