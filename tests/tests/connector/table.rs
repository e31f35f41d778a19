//! The table of `docs/security.md` is what this host does: its tests exist, its defaults hold, its codes are listed, and
//! no limit is left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sluice::connector::{Limit, Limits};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A row: the fault, what ends it, how far it gets by default, the code, the tests.
struct Row {
    fault: String,
    ends: String,
    default: String,
    code: String,
    tests: String,
}

fn rows() -> Vec<Row> {
    let page = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let (_, table) = page.split_once("\n| what a connector does |").expect("the table is there");
    let lines = table.lines().skip(2).take_while(|line| line.starts_with("| "));
    let rows = lines.map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        let mut cell = || cells.next().unwrap_or_else(|| panic!("a cell is missing: {line}"));
        Row { fault: cell(), ends: cell(), default: cell(), code: cell(), tests: cell() }
    });
    rows.collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// All code in which a test may be.
fn sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn each_fault_of_the_table_has_a_test_that_exists() {
    let mut code = String::new();
    for folder in ["tests/tests", "host/src", "plugins/lime"] {
        sources(&root().join(folder), &mut code);
    }
    for Row { fault, tests, .. } in rows() {
        let named = quoted(&tests);
        assert!(!named.is_empty(), "{fault}: no test");
        for test in named {
            assert!(code.contains(&format!("fn {test}()")), "{fault}: there is no test {test}");
        }
    }
}

#[test]
fn each_limit_is_in_the_table_with_its_default() {
    let limits = Limits::from(&[].into()).unwrap();
    let mut missing: BTreeSet<&str> = Limit::ALL.iter().map(|limit| limit.name()).collect();
    for Row { fault, ends, default, .. } in rows() {
        for name in quoted(&ends) {
            let Some(limit) = Limit::ALL.iter().find(|limit| limit.name() == name) else { continue };
            let value = limits.get(*limit).to_string();
            let said: String = default.chars().filter(|sign| !matches!(sign, ' ' | ',' | '_')).collect();
            assert!(said.starts_with(&value), "{fault}: `{name}` is {value} by default, not {default}");
            missing.remove(name);
        }
    }
    assert!(missing.is_empty(), "limits that the table does not have: {missing:?}");
}

#[test]
fn each_code_of_the_table_is_among_the_errors() {
    let errors = std::fs::read_to_string(root().join("docs/errors.md")).unwrap();
    for Row { fault, code, .. } in rows() {
        for code in quoted(&code) {
            assert!(errors.contains(&format!("`{code}`")), "{fault}: `{code}` is not in errors.md");
        }
    }
}
