//! Recipes: scripts that a stack command names.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::host::{AL2023, Host, UBUNTU};

fn recipe(host: &Host, path: &str, body: &str) {
    let file = host.path("etc/strata/hooks/recipes.d").join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, format!("#!/bin/bash\n{body}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn recipes(host: &Host, nonce: &str, names: &str) -> (i32, String) {
    host.run("recipes", &[("Nonce", nonce), ("Hostname", "web1"), ("Command", "execute_recipes"), ("Recipes", names)])
}

/// [CMD-2] [CMD-14]
#[test]
fn cmd_2_recipes_are_scripts_that_run_in_the_given_order() {
    let host = Host::new(AL2023);
    recipe(&host, "shop/migrate", "echo migrate >>\"$STRATA_ROOT/ran\"");
    recipe(&host, "cache/default", "echo cache >>\"$STRATA_ROOT/ran\"");
    recipe(&host, "shop/fails", "echo oops; exit 7");
    let (code, said) = recipes(&host, "1", "cache,shop::migrate,cache::default");
    assert_eq!((code, host.read("ran").as_str()), (0, "cache\nmigrate\ncache\n"), "{said}");
    assert!(said.ends_with("web1 has run execute_recipes; hooks:\n"), "{said}");
    let (code, said) = recipes(&host, "2", "shop::fails,cache");
    assert!(code == 1 && said.ends_with("oops\nthe recipe shop::fails ended with exit code 7\n"), "{said}");
    assert_eq!(host.read("ran").lines().count(), 3, "what comes after a failure is not run");
}

#[test]
fn a_recipe_that_is_not_there_or_leads_elsewhere_runs_nothing() {
    let host = Host::new(AL2023);
    recipe(&host, "shop/default", "echo ran >>\"$STRATA_ROOT/ran\"");
    recipe(&host, "../elsewhere", "echo ran >>\"$STRATA_ROOT/ran\"");
    for bad in ["shop,none", "shop::none", "..::elsewhere", "shop::..", "shop::a::b", "."] {
        let (code, said) = recipes(&host, bad, bad);
        assert!(code == 1 && said.contains("no script for") && said.contains("nothing was done"), "{bad}: {said}");
    }
    assert_eq!(host.read("ran"), "");
}

/// [CMD-1] [CMD-5]
#[test]
fn cmd_5_packages_are_installed_and_cookbooks_are_a_hook() {
    for (os, calls) in [(AL2023, &["dnf -y install htop jq"][..]), (UBUNTU, &["apt-get"])] {
        let host = Host::new(os);
        let run = |nonce: &str, command: &str, packages: &str| {
            host.run("recipes", &[("Nonce", nonce), ("Command", command), ("Packages", packages)])
        };
        host.hook("cookbooks", "echo fetched >>\"$STRATA_ROOT/ran\"");
        assert_eq!(run("1", "update_custom_cookbooks", "").0, 0);
        assert_eq!((host.read("ran").as_str(), host.calls(calls[0]).len()), ("fetched\n", 0));
        assert_eq!(run("2", "install_dependencies", "").0, 0, "no packages");
        assert_eq!(run("3", "install_dependencies", "htop,jq").0, 0);
        let last = host.read("calls").lines().last().unwrap().to_owned();
        assert!(last.starts_with(calls[0]) && last.ends_with(" install htop jq"), "{last}");
    }
}
