//! The `sluice` program: what its commands are, and what their exit codes say.
//!
//! Thin: each command reads its arguments, calls the library, and prints. Tables and progress go to
//! the terminal; with `--json` every command prints JSON lines instead, for scripts. Log lines go to
//! standard error, so that standard output holds the answer alone.

mod audit;
mod catalogue;
mod config;
mod connector;
mod contact;
mod deliveries;
mod demo;
mod doctor;
mod forget;
mod hold;
mod integration;
mod journal;
mod logging;
mod output;
mod overview;
mod preview;
mod progress;
mod registry;
mod secrets;
mod serve;
mod serving;
mod status;
mod store;
mod story;
mod sync;
mod table;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};

use crate::access::Caller;
use crate::admin::Admin;
use crate::config::{Config, ConfigError, Given, Settings};
use crate::data_dir::DataDir;
use crate::error::{ErrorCode, Failure};
use crate::keys::KeySource;
use crate::signature::TrustedKeys;
use crate::store::{PostgresStore, SqliteStore, Store, StoreError, is_postgres_url};
use crate::sync::Service;
use crate::traces::Traces;

/// Syncs a CRM's contacts into APSIS One.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    /// Where Sluice keeps its embedded store, its caches and temporary files.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<String>,
    /// A PostgreSQL database in place of the embedded store: postgres://user:password@host/database. Several
    /// hosts may share it.
    #[arg(long, global = true, value_name = "URL")]
    store: Option<String>,
    /// A file with the keys that secrets in the store are sealed under, one a line: the current one first, those of before
    /// after it. SLUICE_KEY may hold the keys themselves.
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<String>,
    /// Print JSON lines instead of tables and progress bars.
    #[arg(long, global = true)]
    json: bool,
    /// What to log to standard error: `warn`, `info`, or `sluice=debug`.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// A file that says how this host is set up; `sluice config default` shows one. Left out: SLUICE_CONFIG, or
    /// /etc/sluice/sluice.toml and ./sluice.toml. Each setting is an environment variable, too: SLUICE_DATA,
    /// SLUICE_STORE, SLUICE_LOG.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 success; 1 failure; 2 wrong usage; 3 partial: the run completed, and some \
contacts were rejected, or an audit found differences; 4 cancelled; 5 held: it waits for somebody to approve.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show Sluice at work: a simulated Lime CRM and APSIS One, a full sync of 3,000 people, and real time.
    Demo(demo::Args),
    /// Work: take what the CRMs send, and do full syncs as they are asked for; go on with what was interrupted.
    Serve(serve::Args),
    /// Integrations: one customer's connection each.
    #[command(subcommand)]
    Integration(integration::Command),
    /// Full syncs.
    #[command(subcommand)]
    Sync(sync::Command),
    /// Rules: what a change of them would do.
    #[command(subcommand)]
    Rules(preview::Command),
    /// Deliveries: what the CRMs sent, what came of it, and dead letters.
    #[command(subcommand)]
    Deliveries(deliveries::Command),
    /// Contacts: the whole story of one.
    #[command(subcommand)]
    Contact(contact::Command),
    /// Overviews: the CRM's own lists of people, which become tags in APSIS One.
    #[command(subcommand)]
    Overview(overview::Command),
    /// Show how each integration is: its lane, gate and backlog, and what needs attention.
    Status(status::Args),
    /// Tokens: who may do what over the API.
    #[command(subcommand)]
    Token(token::Command),
    /// Secrets: what is kept sealed in the store.
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Show who did what on purpose, the newest first.
    Journal(journal::Args),
    /// The store's schema.
    #[command(subcommand)]
    Store(store::Command),
    /// How this host is set up.
    #[command(subcommand)]
    Config(config::Command),
    /// Connectors: the components that speak to a CRM.
    #[command(subcommand)]
    Connector(connector::Command),
    /// Check that an integration can work: both sides reachable, credentials right, mappings known.
    Doctor(doctor::Args),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

impl Cli {
    /// How the host is set up that the command is for.
    fn set_up(&self) -> std::result::Result<(Settings, Config), ConfigError> {
        let mut flags = Vec::new();
        for (key, flag, text) in [
            ("data", "--data", &self.data),
            ("store", "--store", &self.store),
            ("log", "--log", &self.log),
            ("key-file", "--key-file", &self.key_file),
        ] {
            flags.extend(text.clone().map(|text| Given { key, flag, text }));
        }
        if let Command::Serve(args) = &self.command {
            flags.extend(args.given());
        }
        let settings = Settings::load(self.config.as_deref(), &flags)?;
        let config = Config::of(&settings)?;
        Ok((settings, config))
    }
}

/// How a command ended, where it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All is well.
    Success,
    /// It did its work, and some contacts were rejected.
    Partial,
    /// Somebody cancelled the run.
    Cancelled,
    /// It waits for somebody to approve.
    Held,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        match end {
            End::Success => Self::SUCCESS,
            End::Partial => Self::from(3),
            End::Cancelled => Self::from(4),
            End::Held => Self::from(5),
        }
    }
}

/// What every command is given beside its own arguments.
struct Context {
    data: PathBuf,
    store: Option<String>,
    keys: KeySource,
    json: bool,
    /// How this host is set up, `data` and `store` among it.
    config: Config,
}

impl Context {
    fn new(config: Config, json: bool) -> Self {
        let keys = KeySource::Nowhere;
        Self { data: config.data.clone(), store: config.store.clone(), keys, json, config }
    }

    /// Prints an answer: as a JSON line, or in words.
    fn answer(&self, json: &impl serde::Serialize, words: impl FnOnce() -> String) {
        if self.json {
            self.line(json);
        } else {
            output::line(&words());
        }
    }

    /// Prints a JSON line.
    #[expect(clippy::unused_self, reason = "reads as `answer` and `say` do")]
    fn line(&self, json: &impl serde::Serialize) {
        match serde_json::to_string(json) {
            Ok(line) => output::line(&line),
            Err(error) => output::note(&format!("sluice: an answer has no JSON form: {error}")),
        }
    }

    /// Prints a part of the answer that is for people only.
    fn tell(&self, words: &str) {
        if !self.json {
            output::line(words);
        }
    }

    /// Tells people, on standard error, something that scripts do not ask for.
    fn say(&self, words: &str) {
        if !self.json {
            output::note(words);
        }
    }
}

/// An opened data directory with the store.
struct Opened {
    data: DataDir,
    store: Arc<dyn Store>,
    keys: KeySource,
    /// Whose connectors are taken.
    trusted: TrustedKeys,
    /// Whether other hosts may share the store.
    shared: bool,
}

impl Opened {
    async fn new(context: &Context) -> Result<Self> {
        let data = DataDir::open(&context.data).or_fail()?;
        let keys = context.keys.clone();
        let trusted = context.config.connectors.trusted_keys.clone();
        match &context.store {
            None => {
                let store = SqliteStore::open(&data.database()).or_fail()?;
                Ok(Self { data, store: Arc::new(store), keys, trusted, shared: false })
            }
            Some(url) => {
                let store = PostgresStore::open(postgres(url)?).await.or_fail()?;
                Ok(Self { data, store: Arc::new(store), keys, trusted, shared: true })
            }
        }
    }

    fn service(&self) -> Result<Service> {
        self.service_at(None)
    }

    /// Whoever runs this command, at work on the store.
    fn admin(&self) -> Result<Admin> {
        Ok(Admin::new(self.service()?, Caller::local()))
    }

    /// A service that CRMs reach under this address.
    fn service_at(&self, public_url: Option<String>) -> Result<Service> {
        let service = Service::new(self.data.clone(), self.store.clone(), public_url).or_fail()?;
        Ok(service.with_keys(self.keys.clone()).trusting(self.trusted.clone()))
    }
}

/// The address of a PostgreSQL database.
fn postgres(url: &str) -> Result<&str> {
    if is_postgres_url(url) {
        return Ok(url);
    }
    Err(Failure::from(&StoreError::Broken {
        place: "the address of --store".to_owned(),
        message: "it is no address of a PostgreSQL database".to_owned(),
        todo: "Write it as postgres://user:password@host:5432/database, or leave it out for the embedded store",
    }))
}

/// A command's failure: a code and a sentence.
type Result<T> = std::result::Result<T, Failure>;

/// Turns an error with a code into a command's failure.
trait OrFail<T> {
    fn or_fail(self) -> Result<T>;
}

impl<T, E: ErrorCode> OrFail<T> for std::result::Result<T, E> {
    fn or_fail(self) -> Result<T> {
        self.map_err(|error| Failure::from(&error))
    }
}

/// Threads for what blocks. Each keeps memory of its own for what it once needed, so that more of them would
/// let the program grow with the work that it does at the same time. Nothing there waits for anything
/// else there.
const BLOCKING_THREADS: usize = 4;

/// Parses the program's arguments and runs the command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Completions { shell } = cli.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "sluice", &mut script);
        output::text(&String::from_utf8_lossy(&script));
        return ExitCode::SUCCESS;
    }
    let json = cli.json;
    let (settings, config) = match cli.set_up() {
        Ok(set_up) => set_up,
        Err(error) => {
            tell_failure(json, &Failure::from(&error));
            return ExitCode::from(2);
        }
    };
    if let Command::Config(command) = cli.command {
        config::run(&Context::new(config, json), &settings, command);
        return ExitCode::SUCCESS;
    }
    let traces = match Traces::start(&config.traces) {
        Ok(traces) => traces,
        Err(error) => {
            tell_failure(json, &Failure::from(&error));
            return ExitCode::FAILURE;
        }
    };
    if let Err(message) = logging::start(&config.log, traces.as_ref()) {
        output::note(&format!("sluice: log-filter-invalid: {message}"));
        return ExitCode::from(2);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output::note(&format!(
                "sluice: threads-not-started: the system gives no threads ({error}); end other programs, or raise its limits"
            ));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(Context::new(config, json), cli.command));
    if let Some(traces) = traces {
        traces.finish();
    }
    match ended {
        Ok(end) => end.into(),
        Err(failure) => {
            tell_failure(json, &failure);
            ExitCode::FAILURE
        }
    }
}

fn tell_failure(json: bool, failure: &Failure) {
    if json {
        output::line(&serde_json::json!({ "error": failure }).to_string());
    } else {
        output::note(&format!("sluice: {}: {}", failure.code, failure.message));
    }
}

async fn run(mut context: Context, command: Command) -> Result<End> {
    context.keys = KeySource::of_process(context.config.key_file.clone()).or_fail()?;
    match command {
        Command::Demo(args) => demo::run(&context, args).await,
        Command::Serve(_) => serve::run(&context).await,
        Command::Integration(command) => integration::run(&context, command).await,
        Command::Sync(command) => sync::run(&context, command).await,
        Command::Rules(command) => preview::run(&context, command).await,
        Command::Connector(command) => connector::run(&context, command).await,
        Command::Deliveries(command) => deliveries::run(&context, command).await,
        Command::Contact(command) => contact::run(&context, command).await,
        Command::Overview(command) => overview::run(&context, command).await,
        Command::Status(args) => status::run(&context, args).await,
        Command::Token(command) => token::run(&context, command).await,
        Command::Secrets(command) => secrets::run(&context, command).await,
        Command::Journal(args) => journal::run(&context, args).await,
        Command::Store(command) => store::run(&context, command).await,
        Command::Doctor(args) => doctor::run(&context, args).await,
        // Answered before the runtime was started.
        Command::Completions { .. } | Command::Config(_) => Ok(End::Success),
    }
}
