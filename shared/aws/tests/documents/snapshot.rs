//! What scripts see of their stack: a file that is fetched before the first one runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::host::{AL2023, Host, base64};

const ITSELF: &str = "22222222-4de5-4429-a149-ff7da9f0d8ee";
const LINK: &str = "https://bucket.s3.amazonaws.com/snapshots/s/n.json?X-Amz-Signature=a%2Fb&x=1";

/// The bucket behind the link; `script` is what curl does with its standard input, its target being in `to`.
fn with_bucket(script: &str) -> Host {
    let host = Host::new(AL2023);
    host.program("curl", &format!("while [ \"$#\" -gt 1 ]; do [ \"$1\" != -o ] || to=\"$2\"; shift; done\n{script}"));
    host
}

fn serving() -> Host {
    with_bucket(&format!("[ \"$(cat)\" = 'url = \"{LINK}\"' ] || exit 22\nprintf '{{\"format\": 1}}' >\"$to\""))
}

fn given<'a>(nonce: &'a str, link: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("Nonce", nonce), ("Hostname", "web1"), ("InstanceId", ITSELF), ("Snapshot", link)]
}

const TELL: &str = "echo \"$STRATA_INSTANCE_ID $(cat \"${STRATA_SNAPSHOT:-/dev/null}\")\" >>\"$STRATA_ROOT/seen\"";

/// [LIFE-7] [LIFE-3]
#[test]
fn life_7_every_kind_of_script_finds_the_snapshot_of_its_own_command() {
    let link = base64(LINK);
    for (document, event) in [("setup", "setup"), ("setup", "deploy"), ("configure", "configure"), ("shutdown", "shutdown")] {
        let host = serving();
        host.hook(event, TELL);
        let (code, said) = host.run(document, &given("1", &link));
        assert_eq!((code, host.read("seen")), (0, format!("{ITSELF} {{\"format\": 1}}\n")), "{document} {event}: {said}");
        assert!(host.calls("curl").iter().all(|call| !call.contains("Signature")), "the link is in no command line");
        let mode = fs::metadata(host.path("var/lib/strata/snapshot.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "custom JSON may hold secrets");
    }
    let host = serving();
    let recipe = host.path("etc/strata/hooks/recipes.d/shop/default");
    fs::create_dir_all(recipe.parent().unwrap()).unwrap();
    fs::write(&recipe, format!("#!/bin/bash\n{TELL}\n")).unwrap();
    fs::set_permissions(&recipe, fs::Permissions::from_mode(0o755)).unwrap();
    let (code, said) =
        host.run("recipes", &[&given("1", &link)[..], &[("Command", "execute_recipes"), ("Recipes", "shop,shop")]].concat());
    assert_eq!((code, host.read("seen")), (0, format!("{ITSELF} {{\"format\": 1}}\n").repeat(2)), "{said}");
    assert_eq!(host.calls("curl").len(), 1, "it is fetched once");
}

/// [INST-63]
#[test]
fn inst_63_the_hosts_file_lists_the_online_instances_and_keeps_the_lines_of_others() {
    let snapshot = |hosts: &str| {
        format!(
            "{{\n  \"custom_json\": {{\n    \"hosts\": [\n      \"6.6.6.6 evil\"\n    ]\n  }},\n  \"format\": 1,\n  \"hosts\": {hosts},\n  \"z\": 1\n}}"
        )
    };
    let host = with_bucket("cat >/dev/null; cat \"$STRATA_ROOT/served\" >\"$to\"");
    let own = "127.0.0.1 localhost\n10.9.9.9 mine\n";
    fs::write(host.path("etc/hosts"), own).unwrap();
    let run = |nonce: &str, document: &str, hosts: &str| {
        fs::write(host.path("served"), snapshot(hosts)).unwrap();
        let link = base64(LINK);
        let (code, said) = host.run(document, &[&given(nonce, &link)[..], &[("HostsFile", "true")]].concat());
        assert_eq!(code, 0, "{said}");
        host.read("etc/hosts")
    };
    let two = "[\n    \"10.0.0.1 web1\",\n    \"54.0.0.1 web1-ext\"\n  ]";
    let expected = format!("{own}# Strata: begin\n10.0.0.1 web1\n54.0.0.1 web1-ext\n# Strata: end\n");
    assert_eq!(run("1", "setup", two), expected);
    assert_eq!(run("2", "configure", two), expected, "again, and there is one block");
    let one = "[\n    \"10.0.0.2 web2\"\n  ]";
    assert_eq!(run("3", "configure", one), format!("{own}# Strata: begin\n10.0.0.2 web2\n# Strata: end\n"));
    assert_eq!(run("4", "configure", "[]"), format!("{own}# Strata: begin\n# Strata: end\n"));
    let before = host.read("etc/hosts");
    let link = base64(LINK);
    assert_eq!(host.run("configure", &given("5", &link)).0, 0);
    assert_eq!(host.read("etc/hosts"), before, "only where it is asked for");
    let (code, said) = host.run("configure", &[("Nonce", "6"), ("HostsFile", "true")]);
    assert!(code == 0 && said.contains("warning: /etc/hosts is not up to date"), "{said}");
}

#[test]
fn without_a_script_nothing_is_fetched_and_without_a_link_scripts_run_without_one() {
    let host = with_bucket("exit 7");
    assert_eq!(host.run("configure", &given("1", &base64(LINK))).0, 0);
    assert_eq!(host.calls("curl").len(), 0);
    host.hook("configure", TELL);
    assert_eq!(host.run("configure", &given("2", "")).0, 0);
    assert_eq!((host.read("seen"), host.calls("curl").len()), (format!("{ITSELF} \n"), 0));
}

#[test]
fn a_snapshot_that_cannot_be_fetched_is_tried_three_times_and_then_no_script_runs() {
    let host = with_bucket("cat >/dev/null; echo 'curl: (22) 403' >&2; exit 22");
    host.hook("configure", TELL);
    let (code, said) = host.run("configure", &given("1", &base64(LINK)));
    assert!(code == 1 && said.contains("403") && said.ends_with("could not be fetched; no script was run\n"), "{said}");
    assert_eq!((host.calls("curl").len(), host.calls("sleep 5").len(), host.read("seen").as_str()), (3, 2, ""));
    let (code, said) = host.run("configure", &given("2", "!!"));
    assert!(code == 1 && said.contains("is no base64; no script was run"), "{said}");
}
