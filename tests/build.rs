//! Builds the components that the tests run, so that `cargo test` alone is enough, and tells the tests
//! where they are: `FAULTY_WASM`, `FIRST_WASM`, `NEXT_WASM`, `PUSHY_WASM`, `VERSIONED_WASM`, `LIME_WASM`,
//! `WEBCRM_WASM`, `QUILL_WASM`, `WRONG_WASM`.
//!
//! A cargo within a cargo: it has a target directory of its own, and none of the outer one's settings.
#![allow(clippy::panic, clippy::expect_used, reason = "a build that cannot go on says why and ends")]

use std::path::Path;
use std::process::Command;

/// Package, and the variable that holds the path of its component.
const COMPONENTS: &[(&str, &str)] = &[
    ("faulty", "FAULTY_WASM"),
    ("first", "FIRST_WASM"),
    ("next", "NEXT_WASM"),
    ("pushy", "PUSHY_WASM"),
    ("versioned", "VERSIONED_WASM"),
    ("lime", "LIME_WASM"),
    ("webcrm", "WEBCRM_WASM"),
    ("quill", "QUILL_WASM"),
    ("wrong", "WRONG_WASM"),
];

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "plugin";

fn main() {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace");
    let target_dir = root.join("target").join("components");
    for source in ["wit", "plugins", "tests/guests", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }

    let mut cargo = Command::new(std::env::var_os("CARGO").expect("cargo runs this and says where it is"));
    for (name, _) in std::env::vars_os() {
        if of_the_outer_build(&name.to_string_lossy()) {
            cargo.env_remove(&name);
        }
    }
    cargo.current_dir(root).args([
        "build",
        "--locked",
        "--target",
        TARGET,
        "--profile",
        PROFILE,
        "--target-dir",
    ]);
    cargo.arg(&target_dir);
    for (package, _) in COMPONENTS {
        cargo.args(["--package", package]);
    }
    let built = cargo.status().expect("cargo can be started");
    assert!(built.success(), "the components that the tests run cannot be built; see above");

    for (package, variable) in COMPONENTS {
        let file = target_dir.join(TARGET).join(PROFILE).join(format!("{}.wasm", package.replace('-', "_")));
        println!("cargo::rustc-env={variable}={}", file.display());
    }
}

/// Whether a variable belongs to the outer build: what its cargo tells a build script, and flags that are
/// meant for the host's compiler. What tells any cargo about the machine (registries, proxies) stays.
fn of_the_outer_build(name: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "CARGO_PKG_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "CARGO_BUILD_",
        "CARGO_TARGET_",
        "CARGO_PROFILE_",
        "CARGO_BIN_",
    ];
    const NAMES: &[&str] = &[
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MAKEFLAGS",
        "CARGO_PRIMARY_PACKAGE",
        "MAKEFLAGS",
        "RUSTC",
        "RUSTC_LINKER",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
        "TARGET",
        "HOST",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
