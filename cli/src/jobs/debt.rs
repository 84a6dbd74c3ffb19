//! What hosts still have to install, in words.

use jiff::Timestamp;
use strata_control::api::extension::{Debts, LayerDebt};
use strata_domain::updates::debt::{HostDebt, PatchReport, Standing};

/// So many hosts of a layer are told; those that are behind come first.
const LINES: usize = 60;

/// All layers, those hosts first that are behind the longest.
pub(super) fn screen(debts: &Debts) -> String {
    if debts.layers.is_empty() {
        return "there is no layer that you may see\n".to_owned();
    }
    debts.layers.iter().map(layer).collect()
}

fn layer(told: &LayerDebt) -> String {
    let debt = &told.debt;
    let window = debt.next_window.map_or("no window".to_owned(), |at| format!("next window {at}"));
    let current = debt.hosts.len().saturating_sub(debt.behind + debt.unknown);
    let mut text = format!(
        "{}: {} behind, {} unknown, {current} current; {} need a reboot, {} miss a security update; {window}\n",
        told.subject, debt.behind, debt.unknown, debt.need_reboot, debt.miss_security
    );
    debt.hosts.iter().take(LINES).for_each(|h| text.push_str(&host(h)));
    if debt.hosts.len() > LINES {
        text.push_str(&format!("  and {} more; --json has all\n", debt.hosts.len() - LINES));
    }
    text
}

fn host(h: &HostDebt) -> String {
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let standing = match h.standing {
        Standing::Behind => "behind",
        Standing::Unknown => "unknown",
        Standing::Current => "current",
    };
    let since = h.behind_since.map(|at| format!(" since {}", day(at))).unwrap_or_default();
    let says = h.report.as_ref().map_or("it has never told".to_owned(), words);
    let told = h.told_at.map(|at| format!("; told {at}")).unwrap_or_default();
    format!("  {:<20} {:<10} {standing}{since}: {says}{told}\n", h.hostname, h.status.to_string())
}

fn words(report: &PatchReport) -> String {
    let count = |count: Option<u32>| count.map_or("?".to_owned(), |n| n.to_string());
    let mut says = vec![format!("{} missing, {} of them security", count(report.missing), count(report.security))];
    if report.needs_reboot {
        says.push("needs a reboot".to_owned());
    }
    if let Some(newest) = &report.newest_release {
        says.push(format!("release {} and {newest} exists", report.release.as_deref().unwrap_or("?")));
    }
    says.push(report.updated_at.map_or("never updated".to_owned(), |at| format!("updated {at}")));
    says.join(", ")
}

#[cfg(test)]
mod tests {
    use strata_domain::InstanceStatus;
    use strata_domain::updates::PatchState;
    use strata_domain::updates::debt::{DebtHost, debt};

    use super::*;

    #[test]
    fn each_host_is_told_with_what_it_misses_and_since_when() {
        let now: Timestamp = "2026-03-02T06:00:00Z".parse().unwrap();
        let told = |line: &str| PatchState::after(None, PatchReport::of(line).unwrap(), now);
        let host = |name: &str, state| DebtHost { id: name.into(), hostname: name.into(), status: InstanceStatus::Online, state };
        let hosts = vec![
            host("web1", Some(told("patches: missing=0 security=0 reboot=no updated=1772000000"))),
            host("web2", Some(told("patches: missing=3 security=1 reboot=yes release=2023.9.1 newest=2023.9.2"))),
            host("web3", None),
        ];
        let layer_debt = LayerDebt { subject: "shop/web".into(), layer_id: "l".into(), debt: debt(hosts, Some(now), now) };
        let text = screen(&Debts { at: now, layers: vec![layer_debt] });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "shop/web: 1 behind, 1 unknown, 1 current; 1 need a reboot, 1 miss a security update; next window 2026-03-02T06:00:00Z"
        );
        assert!(
            lines[1].contains("web2") && lines[1].contains("behind since 2026-03-02: 3 missing, 1 of them security"),
            "{text}"
        );
        assert!(lines[1].contains("needs a reboot, release 2023.9.1 and 2023.9.2 exists, never updated"), "{text}");
        assert!(lines[2].contains("web3") && lines[2].contains("unknown: it has never told"), "{text}");
        assert!(lines[3].contains("current: 0 missing, 0 of them security, updated 2026-02-25"), "{text}");
        assert_eq!(screen(&Debts { at: now, layers: Vec::new() }), "there is no layer that you may see\n");
    }
}
