//! What a CRM answers for one page of contacts, recorded once: the same bytes for the connector as a component, over
//! HTTP, and for the same code compiled for this machine, from memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use lime::Lime;
use reqwest::{Client, Url};
use sluice_sandbox::{LimeSwitches, People, Sandbox, SandboxConfig};
use sluice_sdk::bench::{Bench, HttpError, HttpErrorKind, Request, Response};
use sluice_sdk::{Connector, Page, export};
use tokio::runtime::Handle;

use crate::installed::without_limits;

/// Answers, by path and query.
type Answers = HashMap<String, Response>;

/// The simulated CRM, and what it has answered: it is asked once for each thing.
struct Kept {
    sandbox: Sandbox,
    client: Client,
    answers: Mutex<Answers>,
}

/// A page's answers, and where they are served.
pub struct Recorded {
    kept: Arc<Kept>,
    origin: String,
    limit: u32,
}

impl Recorded {
    /// What a simulated Lime answers for the first page of so many generated people. The component's own requests are
    /// recorded as they come: it may write its queries in another order.
    pub async fn page(limit: u32) -> Self {
        let lime = LimeSwitches { query_limit: 1_000, ..without_limits(0).lime };
        let people = People::Generated { persons: u64::from(limit) + 100, seed: 7 };
        let sandbox = Sandbox::start(SandboxConfig { people, lime, ..without_limits(0) }).await.unwrap();
        let url = sandbox.lime_url().to_owned();
        let kept = Arc::new(Kept { sandbox, client: Client::new(), answers: Mutex::default() });
        let (runtime, recording) = (Handle::current(), Arc::clone(&kept));
        let record = move || {
            let mut bench =
                of_lime(move |request| Ok(runtime.block_on(recording.answer(&place(&request.url)))), &url);
            // Once with what is asked first, and once as it goes on.
            assert_eq!(scan(&mut bench, limit).contacts.len(), limit as usize);
            scan(&mut bench, limit);
        };
        tokio::task::spawn_blocking(record).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { kept, origin, limit }
    }

    /// Where they are served.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The setting `url` of who reads them.
    pub fn url(&self) -> String {
        format!("{}/acme", self.origin)
    }

    /// How many contacts the page has.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// A host for the same code compiled for this machine, that answers from memory.
    pub fn native(&self) -> Bench {
        let answers = self.kept.answers.lock().unwrap().clone();
        let missing = || HttpError { kind: HttpErrorKind::Other, message: "not recorded".to_owned() };
        of_lime(
            move |request: &Request| answers.get(&place(&request.url)).cloned().ok_or_else(missing),
            &self.url(),
        )
    }

    /// The addresses that a page asks for when it is not the first.
    pub fn asked(&self) -> Vec<String> {
        let mut bench = self.native();
        scan(&mut bench, self.limit);
        let first = bench.requests().len();
        scan(&mut bench, self.limit);
        bench.requests()[first..].iter().map(|request| request.url.clone()).collect()
    }
}

/// One page by the code compiled for this machine.
pub fn scan(bench: &mut Bench, limit: u32) -> Page {
    bench.run(|| export::open::<Lime>().and_then(|lime| lime.scan(None, limit))).unwrap()
}

fn of_lime(crm: impl FnMut(&Request) -> Result<Response, HttpError> + 'static, url: &str) -> Bench {
    let mut bench = Bench::new(crm);
    bench.setting("url", url).setting("page-size", 1_000).secret("api-key", "a-key");
    bench
}

/// Path and query, written as they are sent.
fn place(url: &str) -> String {
    let url = Url::parse(url).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

impl Kept {
    async fn answer(&self, place: &str) -> Response {
        if let Some(known) = self.answers.lock().unwrap().get(place) {
            return known.clone();
        }
        let lime = Url::parse(self.sandbox.lime_url()).unwrap().join(place).unwrap();
        let request = self.client.get(lime).header("x-api-key", self.sandbox.lime_key());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        let headers = kind.map(|kind| ("content-type".to_owned(), kind)).into_iter().collect();
        let answer = Response { status, headers, body: answer.bytes().await.unwrap().to_vec() };
        self.answers.lock().unwrap().insert(place.to_owned(), answer.clone());
        answer
    }
}

async fn answer(State(kept): State<Arc<Kept>>, uri: Uri) -> impl IntoResponse {
    let answer = kept.answer(&format!("{}?{}", uri.path(), uri.query().unwrap_or_default())).await;
    let kind = answer.headers.into_iter().next().map_or_else(|| "text/plain".to_owned(), |(_, kind)| kind);
    (StatusCode::from_u16(answer.status).unwrap(), [("content-type", kind)], answer.body)
}
