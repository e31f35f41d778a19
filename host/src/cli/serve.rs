//! `sluice serve`: does full syncs as they are accepted, until it is told to stop.

use super::{Context, End, Opened, Result};
use crate::error::Failure;

/// Serves until SIGTERM or ctrl-c. Runs that are active then are gone on with at the next start.
pub async fn run(context: &Context) -> Result<End> {
    let opened = Opened::new(context)?;
    let Some(lock) = opened.lock()? else {
        return Err(Failure {
            code: "data-dir-in-use".to_owned(),
            message: format!(
                "another sluice process works on {}; stop it first, or give this one another --data",
                context.data.display()
            ),
        });
    };
    // Runs end with the program's threads, after this function. Until then nobody else may work on them:
    // the system gives the lock back when the process has ended.
    std::mem::forget(lock);
    let service = opened.service()?;
    context.answer(&serde_json::json!({ "serving": context.data }), || {
        format!(
            "serving {}; ctrl-c stops, and what is interrupted then is gone on with at the next start",
            context.data.display()
        )
    });
    tokio::select! {
        () = service.serve() => {}
        () = asked_to_stop() => context.say("stopped"),
    }
    Ok(End::Success)
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without the handler SIGTERM ends the process by itself, and a killed run is gone on with.
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
