//! Users: who has SSH access.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::host::{AL2023, Host, base64};

/// A host with a user database of its own: files that the stand-ins read and write as the real programs do.
fn with_users(passwd: &str) -> Host {
    let host = Host::new(AL2023);
    fs::write(host.path("etc/passwd"), passwd).unwrap();
    fs::write(host.path("etc/group"), "").unwrap();
    host.program(
        "getent",
        r#"file="$STRATA_ROOT/etc/$1"
if [ "$#" = 1 ]; then cat "$file"; exit; fi
awk -F: -v key="$2" '$1 == key || $3 == key { print; found = 1 } END { exit !found }' "$file""#,
    );
    host.program("groupadd", r#"echo "$1:x:990:" >>"$STRATA_ROOT/etc/group""#);
    host.program(
        "useradd",
        r#"[ "$1 $3 $5 $7 $8 $9" = "-u -g -d -m -s /bin/bash" ] || exit 9
echo "${10}:x:$2:990::$6:$9" >>"$STRATA_ROOT/etc/passwd"; mkdir -p "$6""#,
    );
    host.program(
        "userdel",
        r#"[ ! -e "$STRATA_ROOT/stuck" ] || exit 8
sed -i "/^$2:/d" "$STRATA_ROOT/etc/passwd"; rm -r "${STRATA_ROOT:?}/home/$2""#,
    );
    host.program(
        "usermod",
        r#"passwd="$STRATA_ROOT/etc/passwd"
[ "$1" != -L ] || exit 0
[ "$1" = -l ] || exit 9
old="${!#}"
if [ "$3" = -d ]; then mv "$(awk -F: -v n="$old" '$1 == n { print $6 }' "$passwd")" "$4" && sed -i "s|^\($old:.*\):[^:]*:\([^:]*\)\$|\1:$4:\2|" "$passwd"; fi
sed -i "s/^$old:/$2:/" "$passwd""#,
    );
    // As whom does not matter here; that it is not as root does.
    host.program("runuser", r#"shift 3; exec "$@""#);
    host
}

/// The document's run with these users, under a nonce and revision of its own.
fn sync(host: &Host, revision: u32, users: &[&str]) -> (i32, String) {
    let list = base64(&format!("strata-users 1\n{}", users.iter().map(|user| format!("{user}\n")).collect::<String>()));
    let revision = revision.to_string();
    let nonce = format!("{revision}-{}", list.len());
    host.run("users", &[("Nonce", &nonce), ("Users", &list), ("UsersRevision", &revision)])
}

fn names(host: &Host) -> Vec<String> {
    let mut names: Vec<String> =
        host.read("etc/passwd").lines().map(|l| l.split(':').step_by(2).take(2).collect::<Vec<_>>().join(":")).collect();
    names.sort();
    names
}

fn mode(host: &Host, path: &str) -> u32 {
    fs::metadata(host.path(path)).unwrap().permissions().mode() & 0o7777
}

/// [SSH-4] [SSH-7]
#[test]
fn ssh_4_users_come_with_home_key_and_sudo_and_a_repeat_changes_nothing() {
    let host = with_users("root:x:0:0::/root:/bin/bash\n");
    let wanted = ["2000:ada:1:ssh-ed25519 AAAA ada@home: \"; rm -rf /", "2001:bob:0:"];
    for revision in 1..=2 {
        let (code, said) = sync(&host, revision, &wanted);
        assert_eq!(code, 0, "{said}");
        assert_eq!(names(&host), ["ada:2000", "bob:2001", "root:0"]);
        assert_eq!(host.read("home/ada/.ssh/authorized_keys"), "ssh-ed25519 AAAA ada@home: \"; rm -rf /\n", "its key is data");
        assert_eq!((mode(&host, "home/ada/.ssh"), mode(&host, "home/ada/.ssh/authorized_keys")), (0o700, 0o600));
        assert!(!host.path("home/bob/.ssh/authorized_keys").exists(), "no key, no file");
        assert_eq!(host.read("etc/sudoers.d/opsworks").lines().nth(1), Some("ada ALL=(ALL) NOPASSWD:ALL"));
        assert_eq!(host.read("etc/sudoers.d/opsworks").lines().count(), 2);
        assert_eq!(mode(&host, "etc/sudoers.d/opsworks"), 0o440);
        assert_eq!((host.calls("useradd").len(), host.calls("groupadd").len()), (2, 1));
    }
    assert_eq!(sync(&host, 3, &["2000:ada:0:"]).0, 0);
    assert!(!host.path("home/ada/.ssh/authorized_keys").exists(), "a key that was taken away is taken away");
    assert!(!host.read("etc/sudoers.d/opsworks").contains("ada"));
}

/// [SSH-6]
#[test]
fn ssh_6_a_revoked_user_goes_with_processes_and_home_and_one_who_cannot_go_is_locked() {
    let host = with_users("root:x:0:0::/root:/bin/bash\n");
    assert_eq!(sync(&host, 1, &["2000:ada:1:key", "2001:bob:0:key"]).0, 0);
    assert_eq!(sync(&host, 2, &["2001:bob:0:key"]).0, 0);
    assert_eq!(names(&host), ["bob:2001", "root:0"]);
    assert!(!host.path("home/ada").exists());
    assert_eq!(host.calls("pkill"), ["pkill -KILL -u 2000"]);
    fs::write(host.path("stuck"), "").unwrap();
    let (code, said) = sync(&host, 3, &[]);
    assert!(code == 1 && said.contains("bob could not be removed and is locked"), "{said}");
    assert_eq!(host.calls("usermod"), ["usermod -L -e 1 bob"]);
    assert!(!host.path("home/bob/.ssh/authorized_keys").exists());
    fs::remove_file(host.path("stuck")).unwrap();
    assert_eq!(sync(&host, 4, &[]).0, 0);
    assert_eq!(names(&host), ["root:0"]);
}

/// [SSH-5]
#[test]
fn ssh_5_whose_name_or_uid_is_another_users_is_skipped_and_gets_no_sudo() {
    let foreign = "bob:x:1001:1001::/home/bob:/bin/bash\nsvc:x:2005:5::/:/bin/false\n";
    let host = with_users(foreign);
    let (code, said) = sync(&host, 1, &["2000:bob:1:key", "2005:eve:1:key", "2006:ada:1:key"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("bob is skipped") && said.contains("eve is skipped"), "{said}");
    assert_eq!(names(&host), ["ada:2006", "bob:1001", "svc:2005"]);
    assert_eq!(host.read("etc/sudoers.d/opsworks").lines().skip(1).collect::<Vec<_>>(), ["ada ALL=(ALL) NOPASSWD:ALL"]);
}

/// [USR-6]
#[test]
fn usr_6_users_are_renamed_with_their_homes_also_when_two_change_names() {
    let host = with_users("");
    assert_eq!(sync(&host, 1, &["2000:ada:0:a", "2001:bob:0:b"]).0, 0);
    fs::write(host.path("home/ada/notes"), "of 2000").unwrap();
    let (code, said) = sync(&host, 2, &["2000:bob:0:a", "2001:eve:0:b"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(names(&host), ["bob:2000", "eve:2001"]);
    assert_eq!((host.read("home/bob/notes").as_str(), host.read("home/eve/.ssh/authorized_keys").as_str()), ("of 2000", "b\n"));
    assert_eq!(host.calls("pkill").len(), 2, "their processes end");
}

#[test]
fn an_older_list_and_one_in_no_known_form_change_nothing() {
    let host = with_users("");
    assert_eq!(sync(&host, 5, &["2000:ada:0:"]).0, 0);
    let (code, said) = sync(&host, 4, &[]);
    assert!(code == 0 && said.contains("a newer list was applied before"), "{said}");
    for bad in ["", &base64("users 2\n"), "!!"] {
        assert_ne!(host.run("users", &[("Nonce", &format!("bad-{}", bad.len())), ("Users", bad), ("UsersRevision", "6")]).0, 0);
    }
    assert_eq!(names(&host), ["ada:2000"]);
}

/// [SSH-7]
#[test]
fn ssh_7_a_sudoers_file_that_visudo_refuses_is_not_put_in_place() {
    let host = with_users("");
    assert_eq!(sync(&host, 1, &["2000:ada:1:"]).0, 0);
    let before = host.read("etc/sudoers.d/opsworks");
    host.program("visudo", "exit 1");
    let (code, said) = sync(&host, 2, &["2000:ada:0:"]);
    assert!(code == 1 && said.contains("visudo refuses"), "{said}");
    assert_eq!(host.read("etc/sudoers.d/opsworks"), before);
}

/// [SSH-10]
#[test]
fn ssh_10_setup_brings_users_in_step_and_says_so_if_it_cannot() {
    let host = with_users("");
    let list = base64("strata-users 1\n2000:ada:1:key\n");
    let given = |nonce| [("Nonce", nonce), ("Hostname", "web1"), ("Users", list.as_str()), ("UsersRevision", "1")];
    let (code, said) = host.run("setup", &given("1"));
    assert!(code == 0 && said.ends_with("web1 is set up; hooks:\n"), "{said}");
    assert_eq!(names(&host), ["ada:2000"]);
    host.program("visudo", "exit 1");
    let (code, said) = host.run("setup", &given("2"));
    assert!(code == 0 && said.ends_with("web1 is set up; users: not in step; hooks:\n"), "{said}");
    assert_eq!(host.run("setup", &[("Nonce", "3")]).0, 0, "without a list nobody is touched");
    assert_eq!(names(&host), ["ada:2000"]);
}
