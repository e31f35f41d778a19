//! The set-up: what holds, where it came from, and what is refused.

use serde_json::json;

use crate::{file, live};

#[tokio::test]
async fn each_setting_is_shown_with_where_it_came_from_and_without_passwords() {
    let live = live(None).await;
    let file = file(&live, "store = \"postgres://sluice:hush@db/sluice\"\n\n[server]\nlease = 33\n");
    let shown = live.run(&["config", "show", "--config", &file]).await;
    assert_eq!(shown.code(), 0, "{}", shown.log);
    let of = |key: &str| shown.lines.iter().find(|line| line["setting"] == key).unwrap();
    assert_eq!(of("server.lease")["value"], 33);
    assert_eq!(of("server.lease")["from"], json!({ "file": { "path": file, "line": 4 } }));
    assert_eq!(of("log")["from"], json!({ "environment": "SLUICE_LOG" }));
    assert_eq!(of("server.listen")["from"], json!({ "environment": "SLUICE_LISTEN" }));
    assert_eq!(of("data")["from"], json!({ "flag": "--data" }));
    assert_eq!(of("alerts.after")["from"], "default");
    assert_eq!(of("store")["value"], "postgres://sluice:***@db/sluice");
    assert!(!format!("{:?} {}", shown.lines, shown.log).contains("hush"));
}

#[tokio::test]
async fn what_is_unknown_or_wrong_is_refused_with_its_file_line_and_name() {
    let live = live(None).await;
    for (text, code, names) in [
        ("[server]\nlisten-at = \"x\"\n", "config-unknown", "server.listen-at"),
        ("[server]\n\nlease = 1\n", "config-invalid", "server.lease"),
        ("[server]\n\npublic-url = \"here\"\n", "public-url-invalid", "server.public-url"),
        ("[server\n", "config-malformed", "line 1"),
    ] {
        let file = file(&live, text);
        let ended = live.run(&["status", "--config", &file]).await;
        let error = &ended.last()["error"];
        assert_eq!((ended.code(), error["code"].as_str()), (2, Some(code)), "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(names) && message.contains(&file), "{message}");
    }
    let ended = live.run(&["status", "--config", "/nowhere.toml"]).await;
    assert_eq!(ended.last()["error"]["code"], "config-unreadable");
}
