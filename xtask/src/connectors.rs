//! `cargo xtask connectors`: the example connectors in other languages, each built by its language's own tool.
//!
//! What a component was made of is kept beside it, so that it is built when that has changed and not else. (Connectors in
//! Rust are cargo's affair.)

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::demo::COMPONENTS;
use crate::steps::{need_python_tool, root, run};

/// What makes components of Python. It brings the Python that is in them.
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

/// The example in Python.
const PYTHON: &str = "plugins/examples/python";

/// The contract.
const WIT: &str = "wit/crm-connector.wit";

/// Builds the connector in Python if it is not built, or was built of something else; where it is.
pub fn need_python_connector() -> Result<PathBuf> {
    let built = root().join(COMPONENTS).join("python/csv_people.wasm");
    let beside = built.with_extension("made-of");
    let made_of = made_of()?;
    if built.is_file() && std::fs::read_to_string(&beside).is_ok_and(|before| before == made_of) {
        return Ok(built);
    }
    let tool = need_python_tool(COMPONENTIZE_PY)?;
    std::fs::create_dir_all(root().join(COMPONENTS).join("python")).context("cannot make a folder for it")?;
    // Until it is built anew, what is there is not what it is made of.
    if beside.exists() {
        std::fs::remove_file(&beside).with_context(|| format!("cannot remove {}", beside.display()))?;
    }
    let mut build = Command::new(tool);
    build.current_dir(root()).env("PYTHONDONTWRITEBYTECODE", "1");
    build.args(["-d", WIT, "-w", "reader", "componentize", "connector", "-p", PYTHON, "-o"]);
    run(build.arg(&built))?;
    std::fs::write(&beside, made_of).with_context(|| format!("cannot write {}", beside.display()))?;
    Ok(built)
}

/// Runs the unit tests of the connector in Python, by the Python of this machine.
pub fn test_python_connector() -> Result<()> {
    run(Command::new("python3").args(["-B", "-m", "unittest"]).current_dir(root().join(PYTHON)))
}

/// All that the component is made of, as one text: the tool, the contract, and each module.
fn made_of() -> Result<String> {
    let folder = root().join(PYTHON);
    let mut sources = vec![root().join(WIT), folder.join("connector.py")];
    sources.extend(modules(&folder.join("csv_people"))?);
    let mut made_of = format!("{COMPONENTIZE_PY}\n");
    for source in sources {
        let text =
            std::fs::read_to_string(&source).with_context(|| format!("cannot read {}", source.display()))?;
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        made_of.push_str(&format!("--- {name}\n{text}"));
    }
    Ok(made_of)
}

/// The modules of a package, by name.
fn modules(package: &Path) -> Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(package).with_context(|| format!("cannot read {}", package.display()))?;
    let mut modules = Vec::new();
    for entry in listed {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "py") {
            modules.push(path);
        }
    }
    modules.sort();
    Ok(modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_of_the_tool_the_contract_and_each_module() {
        let made_of = made_of().unwrap();
        for part in [
            "componentize-py==",
            "--- crm-connector.wit\n",
            "--- connector.py\n",
            "--- scan.py\n",
            "--- table.py\n",
        ] {
            assert!(made_of.contains(part), "{part}");
        }
        // Its tests and its server are no part of it.
        assert!(!made_of.contains("unittest") && !made_of.contains("http.server"));
    }
}
