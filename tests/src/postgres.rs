//! A PostgreSQL of the tests' own: a cluster in a temporary directory, on a free port of the loopback address,
//! started when it is first asked for and stopped with the process. There is no test that does without it: where
//! PostgreSQL is not installed, the test that asks fails and says so.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};

use crate::ports::free_port;

/// Runs a server until it is told to stop, or whoever started it is gone; then removes its directory. It says
/// `running` and its process id when it is there.
const SCRIPT: &str = r#"
set -eu
bin=$1 folder=$2 port=$3
"$bin/initdb" --pgdata "$folder/data" --username sluice --auth trust --encoding UTF8 --locale C --no-sync >"$folder/log" 2>&1
"$bin/postgres" -D "$folder/data" -k "$folder" -p "$port" -c listen_addresses=127.0.0.1 -c max_connections=300 \
    -c shared_buffers=256MB -c max_wal_size=2GB >>"$folder/log" 2>&1 &
server=$!
trap 'kill -INT $server 2>/dev/null; wait $server || true; rm -rf "$folder"' EXIT
trap 'exit 0' INT TERM HUP
until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; do
    kill -0 $server || { cat "$folder/log" >&2; exit 1; }
    sleep 0.05
done
echo "running $server"
wait $server
"#;

/// A running server.
pub struct Cluster {
    port: u16,
    process: u32,
}

/// A database of its own for one test.
#[derive(Debug, Clone)]
pub struct Database {
    name: String,
    /// Its address.
    pub url: String,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();

/// The cluster that this process's tests share.
pub fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(Cluster::start)
}

/// An empty database in the shared cluster.
pub fn database() -> Database {
    cluster().database()
}

impl Cluster {
    /// Starts a server of its own, for a test that stops or stalls it.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("sluice-postgres-").tempdir().unwrap();
        // The script removes it.
        let folder = folder.keep();
        let port = free_port();
        let (told, hears) = mpsc::channel();
        // The server is to end with this process. Linux tells it when the thread that started it ends, so that
        // one does not.
        std::thread::spawn(move || {
            let mut child = command(&folder, port).spawn().unwrap_or_else(|error| {
                panic!("{error}: tests on PostgreSQL need setpriv (Debian: util-linux)")
            });
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            told.send(line).unwrap();
            child.wait().unwrap();
            loop {
                std::thread::park();
            }
        });
        let line = hears.recv().unwrap();
        let process = line.trim().strip_prefix("running ").and_then(|process| process.parse().ok());
        let process = process.unwrap_or_else(|| panic!("PostgreSQL did not start; see above"));
        Self { port, process }
    }

    /// An empty database.
    pub fn database(&self) -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        Database { url: format!("postgres://sluice@127.0.0.1:{}/{name}", self.port), name }
    }

    /// Sends a signal to the server and to all that it has started: `STOP`, `CONT`, `KILL`.
    pub fn signal(&self, name: &str) {
        let (name, process) = (format!("-{name}"), self.process.to_string());
        let server = Command::new("kill").args([&name, &process]).status().unwrap();
        // It always has some.
        let started = Command::new("pkill").args([&name, "--parent", &process]).status().unwrap();
        assert!(server.success() && started.success());
    }

    /// Cuts a database's connections, and has it take no new ones.
    pub fn shut(&self, database: &Database) {
        let name = &database.name;
        self.sql("postgres", &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
        self.sql(
            "postgres",
            &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
        );
    }

    /// Has it take connections again.
    pub fn open(&self, database: &Database) {
        self.sql("postgres", &format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", database.name));
    }

    fn sql(&self, database: &str, statement: &str) {
        sql(&format!("postgres://sluice@127.0.0.1:{}/{database}", self.port), statement);
    }
}

impl Database {
    /// Runs a statement in the database.
    pub fn sql(&self, statement: &str) {
        sql(&self.url, statement);
    }
}

/// Runs a statement in a database.
pub fn sql(url: &str, statement: &str) {
    let mut psql = Command::new(programs().join("psql"));
    psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement]).stdout(Stdio::null());
    assert!(psql.status().unwrap().success(), "{statement}");
}

/// Everything that a database's tables hold, as text; bytes too, as far as they are text.
pub fn dump(url: &str) -> String {
    const ALL: &str = "SELECT string_agg(query_to_xml('SELECT * FROM ' || quote_ident(relname), true, false, '')::text,
        '') FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'components'";
    const BODIES: &str = "SELECT string_agg(encode(body, 'escape'), '') FROM deliveries";
    let mut all = String::new();
    for statement in [ALL, BODIES] {
        let mut psql = Command::new(programs().join("psql"));
        let output =
            psql.args(["-qAt", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        all.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    all
}

/// The server refuses to run as root.
fn command(folder: &Path, port: u16) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        let owned = Command::new("chown").arg("postgres").arg(folder).status().unwrap();
        assert!(owned.success(), "there is no user postgres: `cargo xtask test` installs PostgreSQL");
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "setpriv"]);
    }
    // A change of user would undo it, so it comes after.
    command.args(["--pdeathsig", "TERM"]);
    command.args(["sh", "-c", SCRIPT, "sh"]).arg(programs()).arg(folder).arg(port.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).current_dir("/");
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}

/// Where PostgreSQL's programs are: the newest of those that Debian keeps side by side, or those on the path.
fn programs() -> PathBuf {
    const ALL: [&str; 4] = ["initdb", "postgres", "pg_isready", "psql"];
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&on_path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    folders.extend(versions);
    let found = folders.into_iter().rev().find(|folder| ALL.iter().all(|name| folder.join(name).is_file()));
    found.expect("PostgreSQL is not installed: `cargo xtask test` installs it")
}
