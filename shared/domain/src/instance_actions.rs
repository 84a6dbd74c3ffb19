//! Which action is allowed in which status: the one table of [INST-40].

use serde::{Deserialize, Serialize};

use crate::InstanceStatus;
use crate::InstanceStatus::*;

/// An action on an instance; a column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceAction {
    /// StartInstance.
    Start,
    /// StopInstance.
    Stop,
    /// RebootInstance.
    Reboot,
    /// DeleteInstance.
    Delete,
    /// UpdateInstance.
    Update,
    /// AssignInstance; of registered instances only.
    Assign,
    /// UnassignInstance; of registered instances only.
    Unassign,
    /// DeregisterInstance.
    Deregister,
}

impl InstanceAction {
    /// All eight, in the order of the spec's table.
    pub const ALL: [Self; 8] =
        [Self::Start, Self::Stop, Self::Reboot, Self::Delete, Self::Update, Self::Assign, Self::Unassign, Self::Deregister];

    fn verb(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
            Self::Delete => "delete",
            Self::Update => "update",
            Self::Assign => "assign",
            Self::Unassign => "unassign",
            Self::Deregister => "deregister",
        }
    }
}

/// Where an instance comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// CreateInstance.
    #[default]
    Created,
    /// RegisterInstance, an EC2 instance.
    RegisteredEc2,
    /// RegisterInstance, a machine of the user's own.
    OnPremises,
}

/// Whether an action may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Do it.
    Yes,
    /// Accept it and do nothing: it is so already, or on its way.
    NoEffect,
    /// Refuse it with this text (a ValidationException).
    Refused(String),
}

/// Whether `action` is allowed on an instance in `status`.
///
/// Source: instances.md, section 5. On-premises instances are never started, stopped or deleted [INST-35] nor updated [INST-50];
/// created ones are never assigned or unassigned [REG-2, 3].
pub fn allowed(action: InstanceAction, status: InstanceStatus, origin: Origin) -> Allowed {
    use InstanceAction::*;
    let refuse = || Allowed::Refused(refusal(action, status));
    if let (Start | Stop | Delete | Update, Origin::OnPremises) = (action, origin) {
        return Allowed::Refused(format!("You cannot {} an on-premises instance", action.verb()));
    }
    if let (Assign | Unassign, Origin::Created) = (action, origin) {
        return Allowed::Refused(format!("Only registered instances can be {}ed", action.verb()));
    }
    let on_ec2 = origin != Origin::OnPremises;
    match (action, status) {
        (Start, Stopped | StartFailed) => Allowed::Yes,
        (Start, Requested | Pending | Booting | RunningSetup | Online | Rebooting) => Allowed::NoEffect,
        (
            Start,
            SetupFailed | ConnectionLost | Stopping | ShuttingDown | Terminating | Terminated | StopFailed | Registering
            | Registered | Assigning | Unassigning | Deregistering,
        ) => refuse(),

        (Stop, Stopped | Stopping | ShuttingDown | Terminating | Terminated) => Allowed::NoEffect,
        (
            Stop,
            StartFailed | Requested | Pending | Booting | RunningSetup | Online | SetupFailed | ConnectionLost | Rebooting
            | StopFailed | Registered,
        ) => Allowed::Yes,
        (Stop, Registering | Assigning | Unassigning | Deregistering) => refuse(),

        (Reboot, Online | SetupFailed | ConnectionLost) => Allowed::Yes,
        (Reboot, Registered) if on_ec2 => Allowed::Yes,
        (Reboot, Rebooting) => Allowed::NoEffect,
        (
            Reboot,
            Stopped | StartFailed | Requested | Pending | Booting | RunningSetup | Stopping | ShuttingDown | Terminating
            | Terminated | StopFailed | Registering | Registered | Assigning | Unassigning | Deregistering,
        ) => refuse(),

        (Delete | Update, Stopped) => Allowed::Yes,
        (
            Delete | Update,
            StartFailed | Requested | Pending | Booting | RunningSetup | Online | SetupFailed | ConnectionLost | Rebooting
            | Stopping | ShuttingDown | Terminating | Terminated | StopFailed | Registering | Registered | Assigning
            | Unassigning | Deregistering,
        ) => refuse(),

        (Assign, Registered) => Allowed::Yes,
        (
            Assign,
            Stopped | StartFailed | Requested | Pending | Booting | RunningSetup | Online | SetupFailed | ConnectionLost
            | Rebooting | Stopping | ShuttingDown | Terminating | Terminated | StopFailed | Registering | Assigning | Unassigning
            | Deregistering,
        ) => refuse(),

        (Unassign, RunningSetup | Online | SetupFailed | ConnectionLost | Assigning) => Allowed::Yes,
        (Unassign, Registered) => Allowed::NoEffect,
        (
            Unassign,
            Stopped | StartFailed | Requested | Pending | Booting | Rebooting | Stopping | ShuttingDown | Terminating
            | Terminated | StopFailed | Registering | Unassigning | Deregistering,
        ) => refuse(),

        (Deregister, Deregistering) => Allowed::NoEffect,
        (Deregister, Stopping | ShuttingDown | Terminating | Terminated) => refuse(),
        (
            Deregister,
            Stopped | StartFailed | Requested | Pending | Booting | RunningSetup | Online | SetupFailed | ConnectionLost
            | Rebooting | StopFailed | Registering | Registered | Assigning | Unassigning,
        ) => Allowed::Yes,
    }
}

fn refusal(action: InstanceAction, status: InstanceStatus) -> String {
    match action {
        InstanceAction::Delete => format!("You must stop an instance before you can delete it; its status is {status}"),
        InstanceAction::Update => format!("You must stop an instance before you can update it; its status is {status}"),
        other => format!("You cannot {} an instance whose status is {status}", other.verb()),
    }
}

/// Whether a stack command runs on a target in `status`, or is recorded as skipped there [CMD-19, 20].
pub fn runs_command(command: &str, status: InstanceStatus) -> bool {
    match status {
        Online => true,
        Registered => {
            matches!(command, "execute_recipes" | "update_dependencies" | "install_dependencies" | "update_custom_cookbooks")
        }
        SetupFailed => matches!(command, "setup" | "execute_recipes" | "update_custom_cookbooks"),
        Requested | Pending | Booting | RunningSetup | StartFailed | Rebooting | ConnectionLost | Stopping | ShuttingDown
        | Terminating | Terminated | StopFailed | Stopped | Registering | Assigning | Unassigning | Deregistering => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of instances.md, section 5, as the spec prints it; a row may name several statuses.
    const TABLE: &str = "
        stopped                                              | + | =       | V       | + | + | V | V              | + | S
        start_failed                                         | + | +       | V       | V | V | V | V              | + | S
        requested, pending, booting                          | = | +       | V       | V | V | V | V              | + | S
        running_setup                                        | = | +       | V       | V | V | V | + (registered) | + | S
        online                                               | = | +       | +       | V | V | V | + (registered) | + | +
        setup_failed                                         | V | +       | +       | V | V | V | + (registered) | + | C
        connection_lost                                      | V | +       | +       | V | V | V | + (registered) | + | S
        rebooting                                            | = | +       | =       | V | V | V | V              | + | S
        stopping, shutting_down, terminating, terminated     | V | =       | V       | V | V | V | V              | V | S
        stop_failed                                          | V | +       | V       | V | V | V | V              | + | S
        registering, unassigning                             | V | V       | V       | V | V | V | V              | + | S
        registered                                           | V | + (EC2) | + (EC2) | V | V | + | =              | + | C
        assigning                                            | V | V       | V       | V | V | V | +              | + | S
        deregistering                                        | V | V       | V       | V | V | V | V              | = | S";

    fn rows() -> Vec<(InstanceStatus, Vec<&'static str>)> {
        let mut rows = Vec::new();
        for line in TABLE.lines().filter(|l| !l.trim().is_empty()) {
            let mut cells = line.split('|').map(str::trim);
            let statuses = cells.next().unwrap();
            let cells: Vec<_> = cells.collect();
            for status in statuses.split(',') {
                rows.push((InstanceStatus::parse(status.trim()).unwrap(), cells.clone()));
            }
        }
        assert_eq!(rows.len(), InstanceStatus::ALL.len(), "every status has a row");
        rows
    }

    fn check(action: InstanceAction, status: InstanceStatus, origin: Origin, cell: &str) {
        let found = allowed(action, status, origin);
        let is_so = match cell {
            "+" => found == Allowed::Yes,
            "=" => found == Allowed::NoEffect,
            "V" => matches!(found, Allowed::Refused(_)),
            other => panic!("unknown cell {other}"),
        };
        assert!(is_so, "{action:?} in {status} of {origin:?}: expected {cell}, found {found:?}");
    }

    /// [INST-40], every cell of the eight action columns.
    #[test]
    fn inst_40_every_cell_of_the_table() {
        for (status, cells) in rows() {
            for (action, cell) in InstanceAction::ALL.into_iter().zip(cells) {
                match cell {
                    "+ (registered)" => check(action, status, Origin::RegisteredEc2, "+"),
                    "+ (EC2)" => {
                        check(action, status, Origin::RegisteredEc2, "+");
                        check(action, status, Origin::OnPremises, "V");
                    }
                    plain => {
                        let registered_only = matches!(action, InstanceAction::Assign | InstanceAction::Unassign);
                        check(action, status, if registered_only { Origin::RegisteredEc2 } else { Origin::Created }, plain);
                    }
                }
            }
        }
    }

    /// [CMD-19] and the last column of [INST-40].
    #[test]
    fn cmd_19_only_some_commands_run_outside_online() {
        let commands =
            ["update_custom_cookbooks", "execute_recipes", "setup", "configure", "install_dependencies", "update_dependencies"];
        for (status, cells) in rows() {
            for command in commands {
                let runs = match (cells[8], status) {
                    ("+", _) => true,
                    ("S", _) => false,
                    ("C", Registered) => !matches!(command, "setup" | "configure"),
                    ("C", _) => matches!(command, "setup" | "execute_recipes" | "update_custom_cookbooks"),
                    other => panic!("unknown cell {other:?}"),
                };
                assert_eq!(runs_command(command, status), runs, "{command} in {status}");
            }
        }
    }

    /// [INST-35]
    #[test]
    fn inst_35_on_premises_instances_are_never_started_stopped_or_deleted() {
        for status in InstanceStatus::ALL {
            for action in [InstanceAction::Start, InstanceAction::Stop, InstanceAction::Delete] {
                check(action, status, Origin::OnPremises, "V");
            }
        }
    }
}
