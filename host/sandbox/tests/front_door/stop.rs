//! Standing still at one request.

use serde_json::json;
use sluice_sandbox::{ApsisSwitches, Moment, SandboxConfig};

use crate::support::{Client, FIRST_NAME};

#[tokio::test]
async fn it_stands_still_before_or_after_a_request_takes_effect_until_it_is_let_go() {
    for moment in [Moment::Before, Moment::After] {
        let apsis = ApsisSwitches { profile_per_second: 1000, ..ApsisSwitches::default() };
        let client = Client::start(SandboxConfig { apsis, ..SandboxConfig::default() }).await;
        client.create("7").await;
        let mut stop = client.sandbox.stop_at("apsis.attributes.patch", 1, moment);
        assert_eq!(client.patch("7", json!({ FIRST_NAME: "First" })).await.0, 204);
        assert_eq!(client.get("/audience/keyspaces").await.0, 200);
        assert!(!stop.is_reached());
        let send = |name: &str| {
            let url = format!("{}{}", client.sandbox.apsis_url(), Client::of("7", "attributes"));
            let request = client.http.patch(url).bearer_auth(&client.token);
            let request = request.header("content-type", "application/merge-patch+json");
            tokio::spawn(request.body(json!({ FIRST_NAME: name }).to_string()).send())
        };
        let second = send("Second");
        stop.reached().await;
        let third = send("Third");
        let name = client.sandbox.profile("7").unwrap().attributes[FIRST_NAME].clone();
        assert_eq!(name, if moment == Moment::After { "Second" } else { "First" });
        assert!(!second.is_finished());
        drop(stop);
        assert!(second.await.unwrap().is_err(), "it is not answered");
        // Whether it came before the stop was let go or after that, it is not lost sight of.
        let third = third.await.unwrap();
        assert!(third.is_err() || third.unwrap().status() == 204);
        assert_eq!(client.patch("7", json!({ FIRST_NAME: "Fourth" })).await.0, 204);
    }
}
