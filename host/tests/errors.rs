//! `docs/errors.md` has every stable code and no other, and `docs/rules.md` every reason that the rules
//! give. The codes are taken from the sources, so that a new one cannot be forgotten.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where one file's code ends and its tests begin.
const TESTS: &str = "#[cfg(test)]\nmod tests {";

#[test]
fn the_page_of_errors_has_every_code_and_no_other() {
    let there = codes();
    let documented = documented("errors.md");
    let missing: Vec<_> = there.difference(&documented).collect();
    let gone: Vec<_> = documented.difference(&there).collect();
    assert!(missing.is_empty(), "docs/errors.md lacks {missing:?}");
    assert!(gone.is_empty(), "docs/errors.md has {gone:?}, which the sources no longer have");
}

#[test]
fn the_page_of_rules_has_every_reason_that_the_rules_give() {
    let documented = documented("rules.md");
    let mut given = BTreeSet::new();
    for file in sources(&source().join("rules")) {
        let text = code_of(&file);
        for name in text.split("ReasonCode::").skip(1) {
            let name: String = name.chars().take_while(char::is_ascii_alphanumeric).collect();
            given.insert(kebab(&name));
        }
    }
    given.remove("");
    assert!(given.len() >= 7, "the scan finds what the rules give: {given:?}");
    let missing: Vec<_> = given.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/rules.md lacks {missing:?}");
}

#[test]
fn the_scan_finds_codes_wherever_they_are_given() {
    let there = codes();
    let of_each_kind = [
        "store-broken",           // an `ErrorCode`
        "crm-unauthorized",       // nested in one
        "connector-limit-cpu-ms", // a limit
        "email-invalid",          // a reason
        "missing-person",         // why a record was discarded
        "never-synced",           // what a full sync is needed for
        "run-none",               // a command's own failure
        "run-does-not-add-up",    // a run's failure
        "log-filter-invalid",     // printed without a failure
    ];
    for code in of_each_kind {
        assert!(there.contains(code), "{code} is not found");
    }
}

/// Every code in the sources.
fn codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for file in sources(&source()) {
        let text = code_of(&file);
        for part in text.split("impl ErrorCode for").skip(1) {
            let body = part.split("\n}").next().unwrap_or_default();
            codes.extend(literals(body).filter(|literal| is_code(literal)));
        }
        for part in text.split("code: \"").skip(1) {
            codes.insert(part.split('"').next().unwrap_or_default().to_owned());
        }
        for part in text.split("DiscardReason::").skip(1) {
            let line = part.lines().next().unwrap_or_default();
            codes.extend(literals(line).filter(|literal| is_code(literal)));
        }
        for part in text.split("\"sluice: ").skip(1) {
            codes.extend(part.split(':').next().filter(|word| is_code(word)).map(str::to_owned));
        }
    }
    let limits = code_of(&source().join("connector/limits.rs"));
    let table = limits.split("\nlimits! {").nth(1).and_then(|rest| rest.split("\n}").next());
    for row in table.unwrap_or_default().lines().filter(|line| line.contains("\", \"")) {
        codes.extend(literals(row).next().map(|name| format!("connector-limit-{name}")));
    }
    for file in ["reason.rs", "need.rs"] {
        let text = code_of(&source().join(file));
        let words = text.split("fn as_str").nth(1).and_then(|rest| rest.split("\n    }").next());
        codes.extend(literals(words.unwrap_or_default()));
    }
    codes
}

/// The first column of a page's tables.
fn documented(page: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.filter(|word| is_code(word)).map(str::to_owned).collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All source files in a folder, tests left out.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs")
            && !["tests.rs", "properties.rs"].contains(&name.as_str())
        {
            files.push(path);
        }
    }
    files
}

fn code_of(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.split(TESTS).next().unwrap_or_default().to_owned()
}

fn literals(text: &str) -> impl Iterator<Item = String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned)
}

/// Lower-case words with hyphens, at least two of them.
fn is_code(word: &str) -> bool {
    word.contains('-') && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
}

fn kebab(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}
