//! The program `sluice-sandbox`; see the library's `program`.

fn main() -> anyhow::Result<()> {
    sluice_sandbox::program::main()
}
