//! Signatures: they go along, and where the operator trusts somebody, nobody else's component is taken.

use serde_json::json;

use sluice_tests::rig::sluice;

use crate::desk::{Desk, Key, component};
use crate::server::Server;

/// An author has sent a component, signed it if there is a key; the operator fetches it.
struct Way {
    server: Server,
    author: Desk,
    operator: Desk,
    place: String,
}

impl Way {
    async fn sent(sign: impl AsyncFnOnce(&Desk)) -> Self {
        let (server, author) = (Server::open().await, Desk::new());
        author.write("quill.wasm", component());
        sign(&author).await;
        let place = server.place("quill:1");
        author.connector(&["push", &author.at("quill.wasm"), &place]).await.done();
        Self { server, author, operator: Desk::new(), place }
    }

    /// Why it is refused; nothing of it is there then.
    async fn refused(&self) -> String {
        let code =
            self.operator.connector(&["pull", &self.place, "--to", &self.operator.at("quill.wasm")]).await;
        assert_eq!(
            (self.operator.read("quill.wasm"), self.operator.read("quill.wasm.minisig")),
            (None, None)
        );
        code.refused()
    }

    async fn taken(&self) -> serde_json::Value {
        self.operator.connector(&["pull", &self.place, "--to", &self.operator.at("quill.wasm")]).await.done()
    }
}

#[tokio::test]
async fn a_signature_goes_along_with_its_component() {
    let way = Way::sent(async |author| author.sign(&author.key("anna").await, "quill.wasm").await).await;
    assert_eq!(way.taken().await["signature"], "unchecked");
    assert_eq!(way.operator.read("quill.wasm").unwrap(), component());
    let signature = way.operator.read("quill.wasm.minisig").unwrap();
    assert_eq!(signature, way.author.read("quill.wasm.minisig").unwrap());
    // Where others can see it.
    let manifest = way.server.manifest("quill", "1").await;
    let kept = &manifest["annotations"]["se.sluice.signature.minisign"];
    assert_eq!(kept.as_str().unwrap().as_bytes(), signature);
}

#[tokio::test]
async fn what_a_trusted_key_has_signed_is_taken() {
    let keys = Desk::new();
    let (anna, bo) = (keys.key("anna").await, keys.key("bo").await);
    let mut way = Way::sent(async |author| author.sign(&bo, "quill.wasm").await).await;
    way.operator.trust(&[&anna, &bo]);
    assert_eq!(way.taken().await["signature"], "trusted");
    assert_eq!(way.operator.read("quill.wasm").unwrap(), component());
    assert!(way.operator.read("quill.wasm.minisig").is_some());
}

#[tokio::test]
async fn what_nobody_or_somebody_else_has_signed_is_refused() {
    let keys = Desk::new();
    let (anna, eve) = (keys.key("anna").await, keys.key("eve").await);
    let mut way = Way::sent(async |_| ()).await;
    way.operator.trust(&[&anna]);
    assert_eq!(way.refused().await, "signature-missing");

    let mut way = Way::sent(async |author| author.sign(&eve, "quill.wasm").await).await;
    way.operator.trust(&[&anna]);
    assert_eq!(way.refused().await, "signature-untrusted");
}

#[tokio::test]
async fn what_was_changed_after_it_was_signed_is_refused() {
    let keys = Desk::new();
    let anna: Key = keys.key("anna").await;
    let changed = async |author: &Desk| {
        author.sign(&anna, "quill.wasm").await;
        // The end of a component is the text of a section that says nothing.
        let mut bytes = component();
        *bytes.last_mut().unwrap() ^= 1;
        author.write("quill.wasm", bytes);
    };
    let mut way = Way::sent(changed).await;
    way.operator.trust(&[&anna]);
    assert_eq!(way.refused().await, "signature-wrong");

    // An author who trusts the own key hears of it before anybody else.
    way.author.trust(&[&anna]);
    let ended = way.author.connector(&["push", &way.author.at("quill.wasm"), &way.place]).await;
    assert_eq!(ended.refused(), "signature-wrong");
}

#[tokio::test]
async fn what_is_no_signature_is_refused_on_both_ways() {
    let way = Way::sent(async |_| ()).await;
    way.author.write("quill.wasm.minisig", "signed, Anna");
    let ended = way.author.connector(&["push", &way.author.at("quill.wasm"), &way.place]).await;
    assert_eq!(ended.refused(), "signature-malformed");
    let mut manifest = way.server.manifest("quill", "1").await;
    manifest["annotations"] = json!({ "se.sluice.signature.minisign": "signed, Anna" });
    way.server.put_manifest("quill", "1", &manifest).await;
    assert_eq!(way.refused().await, "signature-malformed");
}

#[tokio::test]
async fn what_is_added_to_the_store_has_to_be_signed_whichever_way_it_comes() {
    let (keys, mut operator) = (Desk::new(), Desk::new());
    let anna = keys.key("anna").await;
    operator.trust(&[&anna]);
    let data = operator.at("data");
    operator.set("SLUICE_DATA", &data);
    let file = operator.write("quill.wasm", component());
    let integration = include_str!("../../../plugins/quill/integration.toml");
    let integration = integration.replace("target/wasm32-wasip2/release/", "");
    let integration = operator.write("quill.toml", integration);

    let applying = async |operator: &Desk| {
        let mut command = operator.command(sluice());
        command.args(["--json", "integration", "apply", &integration]);
        let output = command.env("CRM_KEY", "k").env("APSIS_SECRET", "s").output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(operator.connector(&["add", &file]).await.refused(), "signature-missing");
    assert!(applying(&operator).await.contains("signature-missing"));
    let listed = operator.connector(&["list"]).await;
    assert_eq!((listed.code, listed.answer), (0, serde_json::Value::Null));

    operator.sign(&anna, "quill.wasm").await;
    operator.connector(&["add", &file]).await.done();
    let applied = applying(&operator).await;
    assert!(!applied.contains("signature-"), "{applied}");
}
