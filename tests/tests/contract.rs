//! The contract: it parses, it is documented, and it is still what frozen components were built on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};

use wit_component::semver_check;
use wit_parser::{Docs, Resolve, Stability, TypeDefKind, TypeOwner};

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("wit")
}

fn living() -> PathBuf {
    wit().join("crm-connector.wit")
}

/// Every version that was ever handed out, by its file.
fn frozen() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(wit().join("frozen"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "wit"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Whether a component built for `old` runs in a host that speaks `new`, by the world `world`.
fn runs(old: &str, new: &str, world: &str) -> Result<(), String> {
    // Both have to be in one resolve, which takes a package's name and version once; the check itself
    // looks at no version.
    let mut resolve = Resolve::default();
    let package = old.lines().find(|line| line.starts_with("package ")).unwrap();
    let old = old.replacen(package, "package sluice:crm-connector@0.0.0;", 1);
    let package = resolve.push_str("old.wit", &old).map_err(|error| format!("{error:#}"))?;
    let old = resolve.select_world(&[package], Some(world)).map_err(|error| format!("{error:#}"))?;
    let package = resolve.push_str("new.wit", new).map_err(|error| format!("{error:#}"))?;
    let new = resolve.select_world(&[package], Some(world)).map_err(|error| format!("{error:#}"))?;
    semver_check(resolve, old, new).map_err(|error| format!("{error:#}"))
}

#[test]
fn the_contract_is_the_version_that_the_host_speaks() {
    let mut resolve = Resolve::default();
    let package = resolve.push_file(living()).unwrap();
    let spoken = format!("{}@{}", sluice::connector::PACKAGE, sluice::connector::VERSION);
    assert_eq!(resolve.packages[package].name.to_string(), spoken);
}

#[test]
fn components_of_every_frozen_version_still_run() {
    let living = std::fs::read_to_string(living()).unwrap();
    for file in frozen() {
        let frozen = std::fs::read_to_string(&file).unwrap();
        let version = file.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(frozen.contains(&format!("package sluice:crm-connector@{version};")), "{}", file.display());
        let worlds = ["reader", "full", "complete"];
        for world in worlds.into_iter().filter(|world| frozen.contains(&format!("world {world} {{"))) {
            runs(&frozen, &living, world).unwrap_or_else(|error| {
                panic!(
                    "a component built for {} (world {world}) would no longer run:\n{error}\nSee wit/VERSIONING.md",
                    file.display()
                )
            });
        }
    }
}

#[test]
fn what_would_break_a_component_is_noticed() {
    let living = std::fs::read_to_string(living()).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(living.contains(from), "{from}");
        living.replacen(from, to, 1)
    };
    for (what, new) in [
        ("an enum case", changed("enum channel { email, sms", "enum channel { email, sms, letter")),
        (
            "a function of an export",
            changed("list-consents: func()", "list-more: func();\n  list-consents: func()"),
        ),
        ("a record's field", changed("record proof {", "record proof {\n    more: string,")),
        ("an import less", changed("  import session;", "")),
    ] {
        assert!(runs(&living, &new, "full").is_err(), "{what} went unnoticed");
    }
    let more = changed("interface settings {", "interface settings {\n  more: func() -> string;");
    runs(&living, &more, "full").unwrap();
}

#[test]
fn everything_in_the_contract_is_documented() {
    let mut resolve = Resolve::default();
    let package = resolve.push_file(living()).unwrap();
    let mut bare = Vec::new();
    let mut see = |docs: &Docs, name: String| {
        if docs.contents.as_ref().is_none_or(|text| text.trim().is_empty()) {
            bare.push(name);
        }
    };
    let package = &resolve.packages[package];
    see(&package.docs, "the package".to_owned());
    for (name, world) in &package.worlds {
        see(&resolve.worlds[*world].docs, format!("world {name}"));
    }
    for (name, id) in &package.interfaces {
        let interface = &resolve.interfaces[*id];
        see(&interface.docs, format!("interface {name}"));
        for (function, of) in &interface.functions {
            see(&of.docs, format!("{name}.{function}"));
        }
        for (type_name, of) in &interface.types {
            let of = &resolve.types[*of];
            // A name taken over by `use` is documented where it comes from.
            let taken_over = matches!(of.kind, TypeDefKind::Type(wit_parser::Type::Id(_)))
                || of.owner != TypeOwner::Interface(*id);
            if !taken_over {
                see(&of.docs, format!("{name}.{type_name}"));
            }
            assert_eq!(of.stability, Stability::Unknown, "stability is said by versions, not by gates");
        }
    }
    assert!(bare.is_empty(), "without a word in crm-connector.wit: {}", bare.join(", "));
}
