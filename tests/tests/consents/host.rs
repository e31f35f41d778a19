//! A host in this process, that can be killed.
//!
//! It has a thread and a runtime of its own, of one thread. Killed, the runtime is dropped: each of its tasks ends
//! where it waits, none goes on to its next instruction, its connections break, its locks fall. What it had handed
//! to the store's writer before is carried out, as it would be if the process were killed a moment later; what it had
//! sent is on its way, as with a process. So every state that is left so can be left by `kill -9`, and a state that
//! `kill -9` leaves, but for the processor's own caches, is one between two waits of some task.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice::connector::{Engine, read_component};
use sluice::data_dir::DataDir;
use sluice::hosting::HostId;
use sluice::server::{Listening, Protection, serve};
use sluice::store::{SqliteStore, Store};
use sluice::sync::{Holdings, Service, Terms};
use tokio::sync::{OnceCell, oneshot};
use tokio_util::sync::CancellationToken;

/// How long a host may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(25);

/// How long a killed host's port may be somebody else's.
const PORT_WITHIN: Duration = Duration::from_secs(20);

/// The one engine, and the name of the Lime connector, which it has loaded.
pub async fn engine() -> (Engine, String) {
    static ENGINE: OnceCell<(Engine, String)> = OnceCell::const_new();
    let made = ENGINE.get_or_init(async || {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("consents-connectors");
        let engine = Engine::new(&cache).unwrap();
        let (name, component) = read_component(Path::new(env!("LIME_WASM"))).unwrap();
        engine.load(&component).await.unwrap();
        (engine, name)
    });
    made.await.clone()
}

/// A host at work.
pub struct Host {
    pub store: Arc<dyn Store>,
    pub address: SocketAddr,
    kill: CancellationToken,
    thread: std::thread::JoinHandle<()>,
}

impl Host {
    /// Starts one on a data folder; port 0 for any.
    pub async fn start(data: PathBuf, port: u16) -> Self {
        let (engine, _) = engine().await;
        let kill = CancellationToken::new();
        let killed = kill.clone();
        let (told, started) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let working = work(data, port, engine, told);
                let _ = killed.run_until_cancelled(working).await;
            });
        });
        let (store, address) = started.await.expect("the host starts");
        Self { store, address, kill, thread }
    }

    /// Kills it; nothing of it is left when this returns.
    pub async fn kill(self) {
        let Self { store, kill, thread, .. } = self;
        drop(store);
        kill.cancel();
        tokio::task::spawn_blocking(move || thread.join().expect("the host does not panic")).await.unwrap();
    }
}

async fn work(data: PathBuf, port: u16, engine: Engine, told: oneshot::Sender<(Arc<dyn Store>, SocketAddr)>) {
    let data = DataDir::open(data).unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&data.database()).unwrap());
    let lock = data.lock().unwrap().expect("nobody else works here");
    let server = listen(port).await;
    let host = HostId::fresh();
    let url = format!("http://{}", server.address);
    let holdings = Holdings::new(Arc::clone(&store), host.clone(), Terms::Alone(lock));
    let service = Service::with_engine(data, Arc::clone(&store), engine, Some(url));
    let stop = CancellationToken::new();
    assert!(told.send((Arc::clone(&store), server.address)).is_ok(), "whoever starts it waits");
    tokio::join!(
        serve(server, service.clone(), host, stop.clone()),
        service.serve(holdings, stop, STOP_WITHIN)
    );
}

async fn listen(port: u16) -> Listening {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let start = Instant::now();
    loop {
        match Listening::on(address, Protection::Machine).await {
            Ok(server) => return server,
            Err(error) => assert!(start.elapsed() < PORT_WITHIN, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
