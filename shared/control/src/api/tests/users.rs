//! User profiles, and the own one.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use strata_local::cloud::Policy;

use super::TestApi;
use super::support::{USER, text};

const BOB: &str = "arn:aws:iam::123456789012:user/bob";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bob@laptop\n";

fn user(name: &str) -> String {
    format!("arn:aws:iam::123456789012:user/{name}")
}

async fn import(app: &TestApi, members: Value) {
    let arn = members["IamUserArn"].clone();
    assert_eq!(app.call("CreateUserProfile", members).await.good(), json!({ "IamUserArn": arn }));
}

async fn profiles(app: &TestApi) -> Vec<Value> {
    app.call("DescribeUserProfiles", json!({})).await.good()["UserProfiles"].as_array().unwrap().clone()
}

/// The UIDs in use by ARN, as the records have them.
fn uids(app: &TestApi) -> Vec<(String, u64)> {
    let records = app.store.partition("users").into_iter().map(|item| item.decode::<Value>().unwrap());
    records.map(|p| (text(&p["iam_user_arn"]), p["uid"].as_u64().unwrap())).collect()
}

/// [ACT-11] [ACT-42]
#[tokio::test]
async fn act_11_an_imported_user_has_a_name_an_ssh_user_name_and_no_self_management() {
    let app = TestApi::new();
    import(&app, json!({ "IamUserArn": user("ops/my.name") })).await;
    let expected =
        json!({ "IamUserArn": user("ops/my.name"), "Name": "my.name", "SshUsername": "myname", "AllowSelfManagement": false });
    assert_eq!(profiles(&app).await, [expected]);
    let full = json!({ "IamUserArn": BOB, "SshUsername": "b.o.b", "SshPublicKey": KEY, "AllowSelfManagement": true });
    import(&app, full).await;
    let expected =
        json!({ "IamUserArn": BOB, "Name": "bob", "SshUsername": "bob", "SshPublicKey": KEY, "AllowSelfManagement": true });
    assert_eq!(profiles(&app).await[1], expected);
}

/// [ACT-11] [USR-7] [WIRE-13]: bad values are told before anything is looked up, and change nothing.
#[tokio::test]
async fn usr_7_bad_arns_names_and_keys_are_refused() {
    let app = TestApi::new();
    app.account.set_closed(true);
    for (members, start) in [
        (json!({}), "Iam User Arn: is required"),
        (json!({ "IamUserArn": "bob" }), "Iam User Arn: must have the form"),
        (json!({ "IamUserArn": "arn:aws:iam::123456789012:role/bob" }), "Iam User Arn: must have the form"),
        (json!({ "IamUserArn": "arn:aws:iam::123456789012:root" }), "Iam User Arn: the account itself"),
        (json!({ "IamUserArn": "arn:aws:iam::999999999999:user/bob" }), "Iam User Arn: must belong to account 123456789012"),
        (json!({ "IamUserArn": BOB, "SshUsername": "@" }), "Ssh Username: \"@\" has none"),
        (json!({ "IamUserArn": BOB, "SshUsername": "root" }), "Ssh Username: \"root\""),
        (json!({ "IamUserArn": BOB, "SshPublicKey": "-----BEGIN PUBLIC KEY-----" }), "Ssh Public Key: must be one OpenSSH"),
    ] {
        let message = app.call("CreateUserProfile", members.clone()).await.invalid();
        assert!(message.starts_with(start), "{members}: {message}");
    }
    assert!(app.store.partition("users").is_empty());
    let two_lines = json!({ "SshPublicKey": format!("{KEY}{KEY}") });
    assert!(app.call("UpdateMyUserProfile", two_lines).await.invalid().starts_with("Ssh Public Key: must be one line"));
}

/// [USR-1]
#[tokio::test]
async fn usr_1_an_import_of_the_same_user_replaces_the_profile_and_keeps_uid_and_permissions() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    import(&app, json!({ "IamUserArn": BOB, "SshUsername": "b", "SshPublicKey": KEY, "AllowSelfManagement": true })).await;
    app.call("SetPermission", json!({ "StackId": stack, "IamUserArn": BOB, "Level": "deny" })).await.good();
    let before = uids(&app);
    import(&app, json!({ "IamUserArn": BOB })).await;
    let expected = json!({ "IamUserArn": BOB, "Name": "bob", "SshUsername": "bob", "AllowSelfManagement": false });
    assert_eq!(profiles(&app).await, [expected]);
    assert_eq!(uids(&app), before);
    app.call_as(BOB, "DescribeLayers", json!({ "StackId": stack })).await.error("AccessDeniedException");
    import(&app, json!({ "IamUserArn": user("eve"), "SshUsername": "b" })).await;
}

/// [USR-1]: an IAM user's name is unique in the account, whatever its path.
#[tokio::test]
async fn usr_1_a_user_of_the_same_name_under_another_path_replaces_the_profile_without_its_permissions() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    import(&app, json!({ "IamUserArn": user("old/bob") })).await;
    app.call("SetPermission", json!({ "StackId": stack, "IamUserArn": user("old/bob"), "Level": "manage" })).await.good();
    import(&app, json!({ "IamUserArn": user("new/bob") })).await;
    let left = profiles(&app).await;
    assert_eq!((left.len(), &left[0]["IamUserArn"], &left[0]["SshUsername"]), (1, &json!(user("new/bob")), &json!("bob")));
    app.call("DescribePermissions", json!({ "IamUserArn": user("old/bob") })).await.not_found();
    let permissions = app.call("DescribePermissions", json!({ "StackId": stack })).await.good();
    assert_eq!(permissions["Permissions"][0]["Level"], "iam_only");
    assert_eq!(uids(&app), [(user("new/bob"), 2001)]);
}

/// [USR-5]
#[tokio::test]
async fn usr_5_uids_are_unique_even_when_eight_are_imported_at_once_and_not_given_again() {
    let app = TestApi::new();
    let all = (0..8).map(|n| app.call("CreateUserProfile", json!({ "IamUserArn": user(&format!("u{n}")) }))).collect::<Vec<_>>();
    for reply in futures::future::join_all(all).await {
        reply.good();
    }
    let given: BTreeSet<u64> = uids(&app).into_iter().map(|(_, uid)| uid).collect();
    assert_eq!(given, (2000..2008).collect());
    let (last, _) = uids(&app).into_iter().find(|(_, uid)| *uid == 2007).unwrap();
    app.call("DeleteUserProfile", json!({ "IamUserArn": last })).await.good();
    import(&app, json!({ "IamUserArn": last })).await;
    assert_eq!(uids(&app).into_iter().find(|(arn, _)| *arn == last), Some((last, 2008)));
}

#[tokio::test]
async fn two_profiles_never_become_one_unix_user() {
    let app = TestApi::new();
    import(&app, json!({ "IamUserArn": user("myname") })).await;
    import(&app, json!({ "IamUserArn": user("my.name") })).await;
    let names: Vec<String> = profiles(&app).await.iter().map(|p| text(&p["SshUsername"])).collect();
    assert_eq!(names, ["myname", "myname2"]);
    let taken = app.call("CreateUserProfile", json!({ "IamUserArn": BOB, "SshUsername": "my.name" })).await.invalid();
    assert_eq!(taken, format!("Ssh Username: \"myname\" is the SSH user name of {} already; choose another", user("myname")));
    import(&app, json!({ "IamUserArn": BOB })).await;
    let rename = |name: &str| json!({ "IamUserArn": BOB, "SshUsername": name });
    app.call("UpdateUserProfile", rename("myname")).await.invalid();
    // The own name is no obstacle, and a name that was given up is free for others.
    app.call("UpdateUserProfile", rename("bob")).await.good();
    app.call("UpdateUserProfile", rename("robert")).await.good();
    import(&app, json!({ "IamUserArn": user("eve"), "SshUsername": "bob" })).await;
    app.call("DeleteUserProfile", json!({ "IamUserArn": user("myname") })).await.good();
    app.call("UpdateUserProfile", rename("myname")).await.good();
}

#[tokio::test]
async fn of_two_who_ask_for_one_ssh_user_name_at_once_one_gets_it() {
    for _ in 0..10 {
        let app = TestApi::new();
        let create = |name: &str| app.call("CreateUserProfile", json!({ "IamUserArn": user(name), "SshUsername": "ops" }));
        let (a, b) = futures::future::join(create("a"), create("b")).await;
        let (won, lost) = if a.response.status() == 200 { (a, b) } else { (b, a) };
        won.good();
        assert!(lost.invalid().contains("choose another"));
        assert_eq!((app.store.partition("users").len(), app.store.partition("ssh-names").len()), (1, 1));
    }
}

/// [ACT-73] [VAL-5] [USR-6], as far as the record goes.
#[tokio::test]
async fn act_73_an_update_changes_what_is_sent_and_an_empty_key_takes_it_away() {
    let app = TestApi::new();
    import(&app, json!({ "IamUserArn": BOB, "SshPublicKey": KEY })).await;
    let update = |more: Value| {
        let mut members = json!({ "IamUserArn": BOB });
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.call("UpdateUserProfile", members)
    };
    let mut expected =
        json!({ "IamUserArn": BOB, "Name": "bob", "SshUsername": "bob", "SshPublicKey": KEY, "AllowSelfManagement": false });
    update(json!({ "AllowSelfManagement": true })).await.good();
    expected["AllowSelfManagement"] = json!(true);
    assert_eq!(profiles(&app).await, [expected.clone()]);
    update(json!({ "SshUsername": "r.obert" })).await.good();
    expected["SshUsername"] = json!("robert");
    assert_eq!(profiles(&app).await, [expected.clone()]);
    update(json!({ "SshPublicKey": "" })).await.good();
    expected.as_object_mut().unwrap().remove("SshPublicKey");
    assert_eq!(profiles(&app).await, [expected]);
    assert_eq!(uids(&app), [(BOB.to_owned(), 2000)]);
}

/// [ACT-42] [DSC-4] [DSC-6]
#[tokio::test]
async fn act_42_all_profiles_or_those_named_oldest_first() {
    let app = TestApi::new();
    for name in ["c", "a", "b"] {
        import(&app, json!({ "IamUserArn": user(name) })).await;
        app.cloud.advance(60);
    }
    let described = |members: Value| async {
        let reply = app.call("DescribeUserProfiles", members).await.good();
        reply["UserProfiles"].as_array().unwrap().iter().map(|p| text(&p["Name"])).collect::<Vec<_>>()
    };
    assert_eq!(described(json!({})).await, ["c", "a", "b"]);
    assert_eq!(described(json!({ "IamUserArns": [] })).await, ["c", "a", "b"]);
    assert_eq!(described(json!({ "IamUserArns": [user("b"), user("c"), user("b")] })).await, ["c", "b"]);
    let unknown = app.call("DescribeUserProfiles", json!({ "IamUserArns": [user("b"), BOB] })).await.not_found();
    assert_eq!(unknown, format!("Unable to find user with ARN {BOB}"));
}

/// [ACT-16] [USR-4]
#[tokio::test]
async fn usr_4_a_deleted_profile_takes_its_permissions_along() {
    let app = TestApi::new();
    let (a, b) = (app.stack("a").await, app.stack("b").await);
    import(&app, json!({ "IamUserArn": BOB })).await;
    app.account.set_policy(BOB, Policy::default());
    for stack in [&a, &b] {
        let manage = json!({ "StackId": stack, "IamUserArn": BOB, "Level": "manage", "AllowSsh": true });
        app.call("SetPermission", manage).await.good();
    }
    app.call("DeleteUserProfile", json!({ "IamUserArn": BOB })).await.good();
    for stack in [&a, &b] {
        app.call_as(BOB, "DescribeLayers", json!({ "StackId": stack })).await.error("AccessDeniedException");
        assert!(app.item(&strata_ports::keys::permission(&stack.as_str().into(), BOB)).await.is_none());
    }
    app.call("DeleteUserProfile", json!({ "IamUserArn": BOB })).await.not_found();
}

/// [USR-4]: what a crash left behind counts for no profile that is made later.
#[tokio::test]
async fn usr_4_permissions_that_were_not_swept_do_not_come_back() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    import(&app, json!({ "IamUserArn": BOB })).await;
    app.account.set_policy(BOB, Policy::default());
    let manage = json!({ "StackId": stack, "IamUserArn": BOB, "Level": "manage", "AllowSsh": true });
    app.call("SetPermission", manage).await.good();
    let key = strata_ports::keys::permission(&stack.as_str().into(), BOB);
    let left = app.item(&key).await.unwrap();
    app.call("DeleteUserProfile", json!({ "IamUserArn": BOB })).await.good();
    let again = strata_ports::Change::Put { key: key.clone(), value: left.value, expect: strata_ports::Expect::Absent };
    app.commit(vec![again]).await;

    let is_denied =
        || async { app.call_as(BOB, "DescribeLayers", json!({ "StackId": stack })).await.error("AccessDeniedException") };
    is_denied().await;
    import(&app, json!({ "IamUserArn": BOB })).await;
    is_denied().await;
    let default = json!([{ "StackId": stack, "IamUserArn": BOB, "Level": "iam_only", "AllowSsh": false, "AllowSudo": false }]);
    for members in [json!({ "StackId": stack }), json!({ "IamUserArn": BOB }), json!({ "StackId": stack, "IamUserArn": BOB })] {
        assert_eq!(app.call("DescribePermissions", members).await.good()["Permissions"], default);
    }
    app.call("SetPermission", json!({ "StackId": stack, "IamUserArn": BOB, "AllowSudo": true })).await.good();
    let set = app.call("DescribePermissions", json!({ "StackId": stack })).await.good();
    assert_eq!(set["Permissions"][0]["Level"], "iam_only", "only the flag that was sent");
}

/// [USR-2] [USR-3] [ACT-32]
#[tokio::test]
async fn usr_2_the_first_look_at_the_own_profile_makes_it_and_the_second_writes_nothing() {
    let app = TestApi::new();
    let session = "arn:aws:sts::123456789012:assumed-role/Admin/ada@example.org";
    for (arn, name, ssh_username) in [(USER, "ada", "ada"), (session, "ada@example.org", "adaexampleorg")] {
        let expected = json!({ "UserProfile": { "IamUserArn": arn, "Name": name, "SshUsername": ssh_username } });
        assert_eq!(app.call_as(arn, "DescribeMyUserProfile", json!({})).await.good(), expected);
        let commits = app.store.commits.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(app.call_as(arn, "DescribeMyUserProfile", json!({})).await.good(), expected);
        assert_eq!(app.store.commits.load(std::sync::atomic::Ordering::Relaxed), commits);
    }
    assert_eq!(profiles(&app).await.len(), 2);
    app.account.set_policy(BOB, Policy::default());
    app.call_as(BOB, "DescribeMyUserProfile", json!({})).await.error("AccessDeniedException");
    app.call_as(BOB, "UpdateMyUserProfile", json!({})).await.error("AccessDeniedException");
    assert_eq!(profiles(&app).await.len(), 2);
}

/// [USR-2]: eight first looks at once make one profile.
#[tokio::test]
async fn usr_2_first_looks_at_once_make_one_profile() {
    let app = TestApi::new();
    let looks = (0..8).map(|_| app.call("DescribeMyUserProfile", json!({}))).collect::<Vec<_>>();
    for reply in futures::future::join_all(looks).await {
        assert_eq!(reply.good()["UserProfile"]["SshUsername"], "ada");
    }
    assert_eq!(uids(&app), [(USER.to_owned(), 2000)]);
}

/// [USR-3] [ACT-70]
#[tokio::test]
async fn usr_3_the_own_update_takes_the_public_key_and_nothing_else() {
    let app = TestApi::new();
    let own = || async { app.call("DescribeMyUserProfile", json!({})).await.good()["UserProfile"].clone() };
    let all = json!({ "SshPublicKey": KEY, "SshUsername": "root", "AllowSelfManagement": true, "IamUserArn": BOB });
    app.call("UpdateMyUserProfile", all).await.good();
    assert_eq!(own().await, json!({ "IamUserArn": USER, "Name": "ada", "SshUsername": "ada", "SshPublicKey": KEY }));
    assert_eq!(profiles(&app).await[0]["AllowSelfManagement"], false);
    app.call("UpdateMyUserProfile", json!({})).await.good();
    assert_eq!(own().await["SshPublicKey"], KEY);
    app.call("UpdateMyUserProfile", json!({ "SshPublicKey": "" })).await.good();
    assert_eq!(own().await.get("SshPublicKey"), None);
}

/// [PERM-10]
#[tokio::test]
async fn perm_10_self_management_opens_the_own_profile_unless_iam_denies() {
    let app = TestApi::new();
    app.account.set_policy(BOB, Policy::default());
    let allow = |allowed: bool| json!({ "IamUserArn": BOB, "AllowSelfManagement": allowed });
    import(&app, allow(true)).await;
    app.call_as(BOB, "UpdateMyUserProfile", json!({ "SshPublicKey": KEY })).await.good();
    assert_eq!(app.call_as(BOB, "DescribeMyUserProfile", json!({})).await.good()["UserProfile"]["SshPublicKey"], KEY);
    app.call("UpdateUserProfile", allow(false)).await.good();
    app.call_as(BOB, "UpdateMyUserProfile", json!({})).await.error("AccessDeniedException");
    app.call_as(BOB, "DescribeMyUserProfile", json!({})).await.error("AccessDeniedException");
    app.call("UpdateUserProfile", allow(true)).await.good();
    app.account.set_policy(BOB, Policy { deny: vec!["opsworks:*".into()], ..Policy::default() });
    app.cloud.advance(60);
    app.call_as(BOB, "UpdateMyUserProfile", json!({})).await.error("AccessDeniedException");
}

/// [STK-16]
#[tokio::test]
async fn stk_16_stacks_and_profiles_belong_to_one_endpoint() {
    let (here, there) = (TestApi::new(), TestApi::new());
    let stack = here.stack("shop").await;
    import(&here, json!({ "IamUserArn": BOB })).await;
    there.call("DescribeStacks", json!({ "StackIds": [stack] })).await.not_found();
    assert_eq!(there.call("DescribeStacks", json!({})).await.good(), json!({ "Stacks": [] }));
    there.call("DescribeUserProfiles", json!({ "IamUserArns": [BOB] })).await.not_found();
    assert!(profiles(&there).await.is_empty());
}
