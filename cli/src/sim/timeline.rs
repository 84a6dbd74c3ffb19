//! The timeline for people: virtual time, function, what it did, what it saw and why.

use jiff::Timestamp;
use strata_domain::decision::{DecisionRecord, Page, Severity, Verdict};

use super::log::LogLine;

/// Turns log lines into text; events, faults and statuses are left to the log.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    /// Whether to colour.
    pub colour: bool,
}

const INDENT: usize = 17;
const FUNCTION: usize = 20;

#[derive(Clone, Copy)]
enum Ink {
    Plain,
    Dim,
    Bold,
    Red,
    Green,
    Yellow,
    Blue,
}

impl Timeline {
    /// The text for a line, with its line ends; `None` for what the timeline does not show.
    pub fn text(&self, line: &LogLine) -> Option<String> {
        match line {
            LogLine::World { at, what } => Some(self.row(*at, "(world)", Ink::Blue, what, Ink::Blue)),
            LogLine::Decision(decision) => Some(self.decision(decision)),
            LogLine::Page(page) => Some(self.page(page)),
            LogLine::Broken { at, invariant, found } => {
                Some(self.row(*at, "BROKEN", Ink::Red, &format!("{invariant}: {found}"), Ink::Red))
            }
            LogLine::Event { .. } | LogLine::Fault { .. } | LogLine::Status { .. } => None,
        }
    }

    fn decision(&self, decision: &DecisionRecord) -> String {
        let (mark, ink) = match decision.verdict {
            Verdict::Act => ("", Ink::Green),
            Verdict::Hold => ("holds: ", Ink::Plain),
            Verdict::WouldAct => ("would: ", Ink::Yellow),
        };
        let did = format!("{}: {mark}{}", decision.subject, decision.did);
        let head = self.row(decision.at, decision.function.as_str(), Ink::Bold, &did, ink);
        head + &self.detail(&[("saw", &decision.saw), ("why", &decision.why)])
    }

    fn page(&self, page: &Page) -> String {
        let place: Vec<&str> =
            [Some(&page.stack), page.layer.as_ref(), page.host.as_ref()].into_iter().flatten().map(String::as_str).collect();
        let (head, ink) = match (page.resolved, page.severity) {
            (true, _) => ("page resolved", Ink::Green),
            (false, Severity::Critical) => ("PAGE critical", Ink::Red),
            (false, Severity::Warning) => ("PAGE warning", Ink::Yellow),
            (false, Severity::Info) => ("page info", Ink::Plain),
        };
        let row = self.row(page.at, head, ink, &format!("{}: {}", place.join("/"), page.what), ink);
        if page.resolved {
            return row;
        }
        row + &self.detail(&[("why", &page.why), ("did", &page.did), ("next", &page.next)])
    }

    fn row(&self, at: Timestamp, who: &str, who_ink: Ink, what: &str, what_ink: Ink) -> String {
        let time = at.strftime("%m-%d %H:%M:%S").to_string();
        let who = format!("{who:FUNCTION$}");
        format!("{}  {}{}\n", self.ink(Ink::Dim, &time), self.ink(who_ink, &who), self.ink(what_ink, &one_line(what)))
    }

    fn detail(&self, parts: &[(&str, &str)]) -> String {
        let parts: Vec<String> =
            parts.iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name} {}", one_line(text))).collect();
        if parts.is_empty() {
            return String::new();
        }
        let margin = " ".repeat(INDENT - 1 + FUNCTION);
        parts.iter().map(|part| format!("{margin}{}\n", self.ink(Ink::Dim, part))).collect()
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => return text.to_owned(),
            _ if !self.colour => return text.to_owned(),
            Ink::Dim => "2",
            Ink::Bold => "1",
            Ink::Red => "31",
            Ink::Green => "32",
            Ink::Yellow => "33",
            Ink::Blue => "34",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Names come from users: a control character in one must not reach the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use strata_domain::decision::{Function, Touched};

    fn decision(verdict: Verdict) -> LogLine {
        LogLine::Decision(DecisionRecord {
            id: "d-1".into(),
            at: "2026-03-02T12:46:00Z".parse().unwrap(),
            function: Function::LoadScaling,
            trigger: "tick".into(),
            subject: "shop/ecs-cluster".into(),
            stack_id: None,
            layer_id: None,
            verdict,
            saw: "CPU 89.8 % on 6 hosts".into(),
            did: "start web16, web17".into(),
            why: "CPU above 80 % for 5 minutes\x1b[2J".into(),
            touched: Touched::default(),
        })
    }

    #[test]
    fn a_decision_shows_time_function_what_it_did_saw_and_why_aligned_and_without_control_characters() {
        let text = Timeline { colour: false }.text(&decision(Verdict::Act)).unwrap();
        assert_eq!(
            text,
            "03-02 12:46:00  load-scaling        shop/ecs-cluster: start web16, web17\n\
             \x20                                   saw CPU 89.8 % on 6 hosts\n\
             \x20                                   why CPU above 80 % for 5 minutes [2J\n"
        );
    }

    #[test]
    fn holds_and_what_would_have_been_done_are_told_apart() {
        let plain = Timeline { colour: false };
        assert!(plain.text(&decision(Verdict::Hold)).unwrap().contains("shop/ecs-cluster: holds: "));
        assert!(plain.text(&decision(Verdict::WouldAct)).unwrap().contains("shop/ecs-cluster: would: "));
    }

    #[test]
    fn colour_only_where_it_is_wanted() {
        assert!(!Timeline { colour: false }.text(&decision(Verdict::Act)).unwrap().contains('\x1b'));
        assert!(Timeline { colour: true }.text(&decision(Verdict::Act)).unwrap().contains("\x1b[32m"));
    }

    #[test]
    fn events_and_statuses_are_left_to_the_log() {
        let event = LogLine::event("2026-03-02T00:00:00Z".parse().unwrap(), "api", "call", b"{}");
        assert_eq!(Timeline { colour: false }.text(&event), None);
    }
}
