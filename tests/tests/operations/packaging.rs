//! The service unit and the container's recipe, as far as they can be read without running them.

/// What systemd has to wait for before it kills, in seconds.
fn stop_timeout(unit: &str) -> u64 {
    let line = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap();
    line.parse().unwrap()
}

#[test]
fn the_unit_gives_a_host_the_time_that_it_takes_to_stop() {
    let unit = include_str!("../../../docs/operations/sluice.service");
    let defaults = include_str!("../../../host/config.default.toml");
    let within: u64 =
        defaults.lines().find_map(|line| line.strip_prefix("stop-within = ")).unwrap().parse().unwrap();
    assert!(stop_timeout(unit) > within + 2);
    for line in ["Type=notify", "DynamicUser=yes", "ProtectSystem=strict", "StateDirectory=sluice"] {
        assert!(unit.lines().any(|it| it == line), "{line}");
    }
}

#[test]
fn the_recipe_asks_for_the_compiler_that_the_project_is_built_with() {
    let recipe = include_str!("../../../Containerfile");
    let toolchain = include_str!("../../../rust-toolchain.toml");
    let channel =
        toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    assert!(recipe.contains(&format!("rust:{channel}-")), "{channel}");
}
