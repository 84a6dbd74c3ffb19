//! Which methods of which ports each function uses is on file, since the template's roles are held against it.

use std::path::Path;

/// The roles' tests (`shared/aws/tests/template`) read the file. A new method there wants its permission in template.yaml.
#[test]
fn the_methods_that_functions_use_are_those_on_file() {
    let mut found = serde_json::to_string_pretty(&strata_tests::methods::seen()).unwrap();
    found.push('\n');
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/methods.json");
    let on_file = std::fs::read_to_string(&file).unwrap_or_default();
    if found != on_file {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("methods.json");
        std::fs::write(&new, found).unwrap();
        panic!("tests/tests/methods.json is out of date; if the change is meant: cp {} {}", new.display(), file.display());
    }
}
