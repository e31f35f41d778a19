//! Builds the components that the tests run, so that `cargo test` alone is enough, and tells the tests
//! where they are: `FAULTY_WASM`, `OTHER_VERSION_WASM`, `LIME_WASM`.
//!
//! A cargo within a cargo: it has a target directory of its own, and none of the outer one's settings.
#![allow(clippy::panic, clippy::expect_used, reason = "a build that cannot go on says why and ends")]

use std::path::Path;
use std::process::Command;

/// Package, and the variable that holds the path of its component.
const COMPONENTS: &[(&str, &str)] =
    &[("faulty", "FAULTY_WASM"), ("other-version", "OTHER_VERSION_WASM"), ("lime", "LIME_WASM")];

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
    // What the outer cargo set for this build script would change the inner build: flags for the
    // host's compiler, the target directory, the jobserver of another build.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let inherited =
            ["RUSTFLAGS", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTDOC", "TARGET", "HOST"];
        let of_cargo =
            name.starts_with("CARGO_") && !["CARGO_HOME", "CARGO_NET_OFFLINE"].contains(&name.as_str());
        if of_cargo || inherited.contains(&name.as_str()) {
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
