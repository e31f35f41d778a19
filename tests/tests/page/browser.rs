//! A real browser, driven as a person uses it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use sluice_tests::ports::free_port;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long something may take to appear, or a script to end: axe-core's takes seconds on a long page, and many times that
/// where other tests keep the machine busy.
const PATIENCE: Duration = Duration::from_secs(180);

/// How a page is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub name: &'static str,
    pub width: u32,
    pub scheme: &'static str,
}

/// A phone's width and a desk's, in light and in dark.
pub const VIEWS: [View; 4] = [
    View { name: "desk-light", width: 1280, scheme: "light" },
    View { name: "desk-dark", width: 1280, scheme: "dark" },
    View { name: "phone-light", width: 390, scheme: "light" },
    View { name: "phone-dark", width: 390, scheme: "dark" },
];

/// A browser with nobody logged in.
pub struct Chrome {
    pub page: Client,
    driver: Child,
    at: String,
    session: String,
    http: reqwest::Client,
    host: String,
}

impl Chrome {
    /// Starts one, for the host at this address.
    pub async fn start(host: String) -> Self {
        let port = free_port();
        let mut driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts; `cargo xtask test` installs it");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("started successfully") {
                    return;
                }
            }
            panic!("chromedriver ended");
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("chromedriver is ready in time");
        // It goes on saying things, which nobody reads.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let wanted = json!({
            "goog:chromeOptions": {"args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            ]},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": PATIENCE.as_millis()},
        });
        let at = format!("http://127.0.0.1:{port}");
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted.as_object().unwrap().clone())
            .connect(&at)
            .await
            .expect("a browser starts");
        let session = page.session_id().await.unwrap().expect("there is a session");
        let chrome = Self { page, driver, at, session, http: reqwest::Client::new(), host };
        chrome.view(VIEWS[0]).await;
        chrome
    }

    /// Ends it.
    pub async fn end(mut self) {
        self.page.close().await.unwrap();
        self.driver.kill().await.unwrap();
    }

    async fn ask(&self, what: &str, body: Value) -> Value {
        let url = format!("{}/session/{}/{what}", self.at, self.session);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        answer["value"].take()
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.ask("goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    /// Looks so from now on.
    pub async fn view(&self, view: View) {
        let size = json!({"width": view.width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": view.scheme}]});
        self.devtools("Emulation.setEmulatedMedia", scheme).await;
    }

    /// Goes to a page.
    pub async fn open(&self, path: &str) {
        self.page.goto(&format!("{}{path}", self.host)).await.unwrap();
    }

    /// Logs in.
    pub async fn log_in(&self, token: &str) {
        self.open("/login").await;
        self.write("#token", token).await;
        self.press("Log in").await;
        self.until("nav[aria-label=Main]").await;
    }

    /// Waits until there is such an element, and gives its text.
    pub async fn until(&self, css: &str) -> String {
        let found = self.page.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(error) => panic!("no {css} ({error}) on {}:\n{}", self.place().await, self.words().await),
        }
    }

    /// Waits until the page has these words.
    pub async fn until_words(&self, words: &str) {
        let start = std::time::Instant::now();
        while !self.words().await.contains(words) {
            assert!(
                start.elapsed() < PATIENCE,
                "no {words:?} on {}:\n{}",
                self.place().await,
                self.words().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All that the page says.
    pub async fn words(&self) -> String {
        match self.page.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Where it is.
    pub async fn place(&self) -> String {
        self.page.current_url().await.map(|url| url.path().to_owned()).unwrap_or_default()
    }

    /// Presses a button, or follows a link, by its first words.
    pub async fn press(&self, words: &str) {
        let xpath = format!(
            "//main//*[self::button or self::a or self::summary][starts-with(normalize-space(.), '{words}')] | \
             //nav//a[starts-with(normalize-space(.), '{words}')]"
        );
        let start = std::time::Instant::now();
        loop {
            // What moves may have been replaced, or be covered, in the moment between.
            let pressed = async {
                let found = self.page.find(Locator::XPath(&xpath)).await?;
                let show = "arguments[0].scrollIntoView({block: 'center'})";
                self.page.execute(show, vec![serde_json::to_value(&found).unwrap()]).await?;
                found.click().await
            };
            let Err(error) = pressed.await else { return };
            assert!(start.elapsed() < PATIENCE, "{words:?} cannot be pressed: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes into a field, in place of what was there, and leaves it.
    pub async fn write(&self, css: &str, text: &str) {
        self.until(css).await;
        let field = self.page.find(Locator::Css(css)).await.unwrap();
        // In one go: whoever leaves the field may have it replaced.
        let (control, tab) = (char::from(Key::Control), char::from(Key::Tab));
        let released = char::from(Key::Null);
        field.send_keys(&format!("{control}a{released}{text}{tab}")).await.unwrap();
    }

    /// Chooses an option by its words.
    pub async fn choose(&self, css: &str, words: &str) {
        self.until(css).await;
        let list = self.page.find(Locator::Css(css)).await.unwrap();
        list.select_by_label(words).await.unwrap_or_else(|error| panic!("no {words:?} in {css}: {error}"));
    }

    /// Ticks a box.
    pub async fn tick(&self, css: &str) {
        self.until(css).await;
        let tick =
            format!("const box = document.querySelector({}); if (!box.checked) box.click()", json!(css));
        self.page.execute(&tick, Vec::new()).await.unwrap();
    }

    /// What went wrong in the browser since it was asked last.
    pub async fn errors(&self) -> Vec<String> {
        let log = self.ask("se/log", json!({"type": "browser"})).await;
        let lines = log.as_array().cloned().unwrap_or_default();
        let severe = lines.into_iter().filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING");
        severe.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Keeps a picture of the whole page.
    pub async fn picture(&self, name: &str) {
        let shot = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.devtools("Page.captureScreenshot", shot).await;
        let folder = pictures();
        std::fs::create_dir_all(&folder).unwrap();
        let bytes = base64(shot["data"].as_str().expect("a picture"));
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }

    /// What axe-core finds of what keeps people from using the page: what is serious or worse.
    pub async fn hindrances(&self) -> Vec<String> {
        let axe = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/axe.min.js");
        let axe = std::fs::read_to_string(axe)
            .unwrap_or_else(|_| panic!("{axe} is not there; `cargo xtask test` fetches it"));
        // The page itself runs no script but its own; this one comes from outside of it.
        self.page.execute(&axe, Vec::new()).await.unwrap();
        let run = "const done = arguments[arguments.length - 1]; \
                   axe.run(document, {resultTypes: ['violations']}).then(found => done(found.violations), error => \
                   done([{id: String(error), impact: 'critical', nodes: []}]))";
        let found = self.page.execute_async(run, Vec::new()).await.unwrap();
        let found = found.as_array().cloned().unwrap_or_default();
        let bad = found.into_iter().filter(|one| one["impact"] == "serious" || one["impact"] == "critical");
        bad.map(|one| format!("{}: {} {}", one["id"], one["help"], one["nodes"][0]["html"])).collect()
    }
}

/// Where pictures are kept.
fn pictures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/pictures"))
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}
