//! `sluice connector test`, `check` and `record`: a connector by itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan as _};

use super::super::{Context, End, OrFail, Result, catalogue, output};
use crate::connector::{Connector, Engine};
use crate::data_dir::DataDir;
use crate::error::Failure;
use crate::integration::{Integration, SecretRef, secret_in_file, secret_in_variable};
use crate::kit::check::{Against, check};
use crate::kit::fixture::Fixtures;
use crate::kit::recording::{Wishes, record};
use crate::kit::trial::TrialCrm;
use crate::kit::{KitError, Setting, report, testing};

/// A connector against recordings.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// The component: a .wasm file.
    file: PathBuf,
    /// The folder of recordings.
    #[arg(long, value_name = "DIR")]
    fixtures: PathBuf,
    /// Take what it answers now for what has to come of it: writes each expected.json. Look at the difference before you
    /// keep it.
    #[arg(long)]
    accept: bool,
    /// Write the result as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// A connector against the rules.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The component: a .wasm file.
    file: PathBuf,
    /// Try it against recordings.
    #[arg(long, value_name = "DIR", conflicts_with = "crm")]
    fixtures: Option<PathBuf>,
    /// Try it against a simulated CRM: the command that starts it. It says where it is, and takes what happens in it.
    #[arg(long, value_name = "COMMAND")]
    crm: Option<String>,
    /// How many made-up deliveries it is given.
    #[arg(long, value_name = "NUMBER", default_value_t = 300)]
    fuzz: u32,
    /// Write the result as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write a page that can be shared, too: HTML.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Recordings of a CRM.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    /// The component: a .wasm file.
    file: PathBuf,
    /// Where they are written.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Settings, secrets and grant of a real CRM: an integration's file. Nothing else of it is used, and nothing is
    /// written to the CRM.
    #[arg(long, value_name = "FILE", required_unless_present = "crm", conflicts_with = "crm")]
    integration: Option<PathBuf>,
    /// Record a simulated CRM: the command that starts it.
    #[arg(long, value_name = "COMMAND")]
    crm: Option<String>,
    /// At most so many contacts a page.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    limit: u32,
    /// So many pages of each scan.
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    pages: u32,
    /// A word that is nobody's and stays as it is; may be given several times.
    #[arg(long, value_name = "WORD")]
    keep: Vec<String>,
}

/// Loads a component. No store is opened.
async fn load(context: &Context, file: &Path) -> Result<Connector> {
    let component = catalogue::read(file)?;
    let data = DataDir::open(&context.data).or_fail()?;
    let engine = Engine::new(&data.cache()).or_fail()?;
    engine.load(&component).await.or_fail()
}

/// Runs `connector test`.
pub async fn test(context: &Context, args: TestArgs) -> Result<End> {
    let connector = load(context, &args.file).await?;
    let fixtures = Fixtures::read(&args.fixtures).or_fail()?;
    let mut tested = testing::run(&connector, &fixtures).await.or_fail()?;
    if args.accept {
        for (case, one) in fixtures.cases.iter().zip(&mut tested) {
            case.write_expected(&args.fixtures, &one.found).or_fail()?;
        }
        let fixtures = Fixtures::read(&args.fixtures).or_fail()?;
        tested = testing::run(&connector, &fixtures).await.or_fail()?;
    }
    if let Some(path) = &args.junit {
        write(path, report::test_junit(&connector, &tested))?;
    }
    if context.json {
        context.line(&report::test_json(&connector, &tested));
    } else {
        output::lines(&report::test_lines(&tested));
    }
    let failed = tested.iter().filter(|one| !one.passed()).count();
    if failed > 0 {
        return Err(Failure::from(&KitError::CasesFailed(failed)));
    }
    Ok(End::Success)
}

/// Runs `connector check`.
pub async fn check_one(context: &Context, args: CheckArgs) -> Result<End> {
    let connector = load(context, &args.file).await?;
    let against = match (&args.crm, &args.fixtures) {
        (Some(command), _) => Against::Crm(Box::new(TrialCrm::start(command).await.or_fail()?)),
        (None, Some(folder)) => Against::Recordings(Fixtures::read(folder).or_fail()?),
        (None, None) => Against::Nothing,
    };
    let checked = check(&connector, &against, args.fuzz).await.or_fail()?;
    if let Some(path) = &args.junit {
        write(path, report::check_junit(&connector, &checked))?;
    }
    if let Some(path) = &args.report {
        write(path, report::check_page(&connector, &checked))?;
    }
    if context.json {
        context.line(&report::check_json(&connector, &checked));
    } else {
        output::lines(&report::check_lines(&connector, &checked));
    }
    let broken = checked.broken().count();
    if broken > 0 {
        return Err(Failure::from(&KitError::RulesBroken(broken)));
    }
    Ok(End::Success)
}

/// Runs `connector record`.
pub async fn record_all(context: &Context, args: RecordArgs) -> Result<End> {
    let connector = load(context, &args.file).await?;
    // It lives as long as it is recorded.
    let crm = match &args.crm {
        Some(command) => Some(TrialCrm::start(command).await.or_fail()?),
        None => None,
    };
    let setting = match (&crm, &args.integration) {
        (Some(crm), _) => crm.setting.clone(),
        (None, Some(file)) => of_integration(file)?,
        (None, None) => Setting::default(),
    };
    let since = Timestamp::now().checked_sub(24.hours()).unwrap_or(Timestamp::UNIX_EPOCH);
    let wishes = Wishes { limit: args.limit, pages: args.pages, keep: args.keep, since };
    let recorded = record(&connector, &setting, &args.to, &wishes).await.or_fail()?;
    for one in &recorded {
        let error = one.error.as_ref().map_or_else(String::new, |error| format!("; it ended with {error}"));
        if context.json {
            context
                .line(&serde_json::json!({ "case": one.case, "requests": one.requests, "error": one.error }));
        } else {
            output::line(&format!("{}: {} requests{error}", one.case, one.requests));
        }
    }
    context.say(&format!(
        "Recorded into {}. People and secrets were replaced; look through it before you share it.",
        args.to.display()
    ));
    Ok(End::Success)
}

fn of_integration(file: &Path) -> Result<Setting> {
    let integration = Integration::read(file).or_fail()?;
    let mut secrets = BTreeMap::new();
    for (name, reference) in &integration.secrets {
        let secret = match reference {
            SecretRef::Env(variable) => secret_in_variable(variable).or_fail()?,
            SecretRef::File(path) => secret_in_file(path).or_fail()?,
            SecretRef::Stored(_) => {
                let problem = format!(
                    "the secret `{name}` is kept in a store, which is not opened here: name a file or a variable"
                );
                return Err(Failure::from(&KitError::File { path: file.to_owned(), problem }));
            }
        };
        secrets.insert(name.clone(), secret);
    }
    Ok(Setting {
        settings: integration.settings,
        secrets,
        origins: Some(integration.grant.origins),
        limits: integration.limits,
    })
}

fn write<E: std::fmt::Display>(path: &Path, text: std::result::Result<String, E>) -> Result<()> {
    let text = text.map_err(|error| error.to_string());
    let written = text.and_then(|text| std::fs::write(path, text).map_err(|error| error.to_string()));
    written.map_err(|problem| Failure::from(&KitError::File { path: path.to_owned(), problem }))
}
