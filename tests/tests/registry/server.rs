//! A registry of the test's own, Debian's `docker-registry`, on a free port and a temporary folder. There is no test that
//! does without it: where it is not installed, the test fails and says so.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const PATIENCE: Duration = Duration::from_secs(60);

/// Who may log in where it is asked for, and the bcrypt hash of the password.
pub const USER: &str = "author";
pub const PASSWORD: &str = "s3same";
const HASH: &str = "$2y$05$Oxf/g3jIc6UIBcuWWKjEEuQfAyeOu3dgNszw.gHhKoXQ1nfsrfB7m";

/// A running registry.
pub struct Server {
    folder: TempDir,
    process: Child,
    /// `127.0.0.1:port`.
    pub address: String,
}

impl Server {
    /// One that lets everybody do everything.
    pub async fn open() -> Self {
        Self::start(|_| json!({})).await
    }

    /// One that asks for a password.
    pub async fn closed() -> Self {
        Self::start(|folder| {
            let file = folder.join("htpasswd");
            std::fs::write(&file, format!("{USER}:{HASH}\n")).unwrap();
            json!({ "htpasswd": { "realm": "test", "path": file } })
        })
        .await
    }

    async fn start(auth: impl FnOnce(&Path) -> Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "version": "0.1",
            "log": { "level": "info" },
            "storage": { "filesystem": { "rootdirectory": folder.path().join("kept") } },
            "http": { "addr": "127.0.0.1:0" },
            "auth": auth(folder.path()),
        });
        let file = folder.path().join("config.yml");
        // What is JSON is YAML.
        std::fs::write(&file, config.to_string()).unwrap();
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{error}: these tests need docker-registry (a package of Debian)")
            });
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let listening = async {
            let mut said = Vec::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(address) = listens_at(&line) {
                    return address;
                }
                said.push(line);
            }
            panic!("docker-registry did not start: {said:?}");
        };
        let address = tokio::time::timeout(PATIENCE, listening).await.expect("the registry starts");
        // It would stand still once nobody takes what it says.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { folder, process, address }
    }

    /// A place in it.
    pub fn place(&self, name_and_tag: &str) -> String {
        format!("{}/{name_and_tag}", self.address)
    }

    /// Ends it.
    pub async fn stop(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// The file in which it keeps what has this digest.
    pub fn kept(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let blobs = self.folder.path().join("kept/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }

    /// The manifest at a place.
    pub async fn manifest(&self, name: &str, tag: &str) -> Value {
        let request = Client::new()
            .get(self.url(name, &format!("manifests/{tag}")))
            .header("accept", "application/vnd.oci.image.manifest.v1+json");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// What it keeps under a digest.
    pub async fn blob(&self, name: &str, digest: &str) -> Vec<u8> {
        let answer = Client::new().get(self.url(name, &format!("blobs/{digest}"))).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.bytes().await.unwrap().to_vec()
    }

    /// Puts bytes there, as any client can; a descriptor of them.
    pub async fn put_blob(&self, name: &str, kind: &str, bytes: &[u8]) -> Value {
        let begun = Client::new().post(self.url(name, "blobs/uploads/")).send().await.unwrap();
        let place = begun.headers()["location"].to_str().unwrap().to_owned();
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
        let put = Client::new().put(place).query(&[("digest", &digest)]).body(bytes.to_vec());
        created(put.send().await.unwrap()).await;
        json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
    }

    /// Puts a manifest there, as any client can.
    pub async fn put_manifest(&self, name: &str, tag: &str, manifest: &Value) {
        let kind = manifest["mediaType"].as_str().unwrap().to_owned();
        let put = Client::new().put(self.url(name, &format!("manifests/{tag}"))).header("content-type", kind);
        created(put.body(manifest.to_string()).send().await.unwrap()).await;
    }

    fn url(&self, name: &str, rest: &str) -> String {
        format!("http://{}/v2/{name}/{rest}", self.address)
    }
}

async fn created(answer: Response) {
    let status = answer.status();
    assert_eq!(status, StatusCode::CREATED, "{}", answer.text().await.unwrap());
}

/// The address in the line in which it says that it listens.
fn listens_at(line: &str) -> Option<String> {
    let rest = line.split_once("listening on ")?.1;
    let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != ':');
    Some(rest[..end.unwrap_or(rest.len())].to_owned())
}
