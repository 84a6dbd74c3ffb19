//! The action-by-status matrix through the API, one test per cell [INST-40].

use serde_json::{Value, json};
use strata_domain::InstanceStatus;

use super::TestApi;
use super::support::text;
use crate::api::actions::operations;

/// What the table says of a cell.
#[derive(Clone, Copy, Debug)]
enum Cell {
    /// `+`
    Done,
    /// `=`
    Same,
    /// `V`
    Refused,
    /// `S`: the command is recorded as skipped.
    Skipped,
    /// `C`: some commands run, the others are skipped [CMD-19].
    Some(&'static [&'static str]),
}

use Cell::{Done as D, Refused as V, Same as E, Skipped as S};

/// Commands that run on an instance in `setup_failed`, and on a registered one.
const AFTER_FAILED_SETUP: Cell = Cell::Some(&["setup", "execute_recipes", "update_custom_cookbooks"]);
const REGISTERED: Cell = Cell::Some(&["execute_recipes", "update_dependencies", "update_custom_cookbooks"]);

/// A cell of an action's column, for an instance that CreateInstance made.
async fn check(status: InstanceStatus, action: &str, cell: Cell) {
    // A column whose action is not built yet waits for it.
    if operations().iter().all(|o| o.name != action) {
        return;
    }
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    app.settle(&id, status).await;
    if action == "CreateDeployment" {
        return check_commands(&app, (&stack, &id), status, cell).await;
    }
    let members = json!({ "InstanceId": id, "InstanceType": "m5.xlarge", "LayerIds": [layer] });
    let before = app.record(&id).await;
    let reply = app.call(action, members).await;
    match cell {
        Cell::Done => drop(reply.good()),
        Cell::Same => drop(reply.good()),
        Cell::Refused => drop(reply.invalid()),
        Cell::Skipped | Cell::Some(_) => panic!("{cell:?} is a cell of the commands' column"),
    }
    if !matches!(cell, Cell::Done) {
        assert_eq!(app.record(&id).await.version, before.version, "nothing is written");
    } else if action == "UpdateInstance" {
        assert_eq!(app.described(&id).await["InstanceType"], "m5.xlarge");
    } else if action != "DeregisterInstance" {
        assert_ne!(app.record(&id).await.record.status, status, "it is on its way");
    }
}

async fn check_commands(app: &TestApi, (stack, id): (&str, &str), status: InstanceStatus, cell: Cell) {
    for name in ["setup", "configure", "execute_recipes", "update_dependencies", "update_custom_cookbooks"] {
        let args: Value = if name == "execute_recipes" { json!({ "recipes": ["a::b"] }) } else { json!({}) };
        let members = json!({ "StackId": stack, "InstanceIds": [id], "Command": { "Name": name, "Args": args } });
        let deployment = text(&app.call("CreateDeployment", members).await.good()["DeploymentId"]);
        let commands = app.call("DescribeCommands", json!({ "DeploymentId": deployment })).await.good();
        let runs = match cell {
            Cell::Done => true,
            Cell::Skipped => false,
            Cell::Some(those) => those.contains(&name),
            Cell::Same | Cell::Refused => panic!("{cell:?} is no cell of the commands' column"),
        };
        assert_eq!(commands["Commands"][0]["Status"], if runs { "pending" } else { "skipped" }, "{name} in {status}");
    }
}

/// The table of instances.md, section 5: a row per status, a test per cell. Assign and unassign are for registered instances, so an
/// instance that was created is refused in every status [REG-2, 3].
macro_rules! inst_40 {
    ($($row:ident $status:ident: $start:expr, $stop:expr, $reboot:expr, $delete:expr, $update:expr, $assign:expr, $unassign:expr, $deregister:expr, $command:expr;)*) => {
        $(
            /// [INST-40]
            mod $row {
                use super::*;
                inst_40!(@cells $status: start "StartInstance" $start, stop "StopInstance" $stop, reboot "RebootInstance" $reboot,
                    delete "DeleteInstance" $delete, update "UpdateInstance" $update, assign "AssignInstance" $assign,
                    unassign "UnassignInstance" $unassign, deregister "DeregisterInstance" $deregister,
                    run_command "CreateDeployment" $command);
            }
        )*
        const ROWS: &[InstanceStatus] = &[$(InstanceStatus::$status),*];
    };
    (@cells $status:ident: $($cell:ident $action:literal $expected:expr),*) => {
        $(#[tokio::test]
        async fn $cell() {
            check(InstanceStatus::$status, $action, $expected).await;
        })*
    };
}

inst_40! {
    //                             start stop reboot delete update assign unassign deregister command
    stopped Stopped:                  D, E, V, D, D, V, V, D, S;
    start_failed StartFailed:         D, D, V, V, V, V, V, D, S;
    requested Requested:              E, D, V, V, V, V, V, D, S;
    pending Pending:                  E, D, V, V, V, V, V, D, S;
    booting Booting:                  E, D, V, V, V, V, V, D, S;
    running_setup RunningSetup:       E, D, V, V, V, V, V, D, S;
    online Online:                    E, D, D, V, V, V, V, D, D;
    setup_failed SetupFailed:         V, D, D, V, V, V, V, D, AFTER_FAILED_SETUP;
    connection_lost ConnectionLost:   V, D, D, V, V, V, V, D, S;
    rebooting Rebooting:              E, D, E, V, V, V, V, D, S;
    stopping Stopping:                V, E, V, V, V, V, V, V, S;
    shutting_down ShuttingDown:       V, E, V, V, V, V, V, V, S;
    terminating Terminating:          V, E, V, V, V, V, V, V, S;
    terminated Terminated:            V, E, V, V, V, V, V, V, S;
    stop_failed StopFailed:           V, D, V, V, V, V, V, D, S;
    registering Registering:          V, V, V, V, V, V, V, D, S;
    unassigning Unassigning:          V, V, V, V, V, V, V, D, S;
    registered Registered:            V, D, D, V, V, V, V, D, REGISTERED;
    assigning Assigning:              V, V, V, V, V, V, V, D, S;
    deregistering Deregistering:      V, V, V, V, V, V, V, E, S;
}

/// [INST-1]
#[test]
fn inst_40_every_status_has_a_row() {
    assert!(InstanceStatus::ALL.iter().all(|status| ROWS.contains(status)));
    assert_eq!(ROWS.len(), InstanceStatus::ALL.len());
}
