//! Durable acknowledgements: deliveries as Lime signs them, checked by the Lime connector, stored, and then answered;
//! beside the disk's own limit and a bare hyper server, in the same run.

use crate::echo::Echo;
use crate::figures::{Rounds, head, row};
use crate::installed::{Installed, without_limits};
use crate::load::{Signer, send};
use crate::{MEASURED, On, ROUNDS, disk};

const SENDERS: [usize; 3] = [1, 16, 64];

pub async fn measure() {
    let echo = Echo::start();
    let mut installed = Vec::new();
    for on in On::BOTH {
        let installation = Installed::start(on, without_limits(10)).await;
        // Only taking in is measured: the lane holds still.
        installation.enable(false).await;
        installed.push((on, installation));
    }
    let fsync =
        Rounds::of((0..ROUNDS).map(|_| disk::writes_a_second(&installed[0].1.rig.path(""))).collect());
    println!("\nThe disk: {} writes of 1 KiB a second, one after the other, each waited for.", fsync.whole());
    head(
        "Durable acknowledgements a second",
        &["senders", "what", "a second", "p99, ms", "of bare hyper", "of the disk's limit"],
    );
    let signer = Signer::new(0);
    for senders in SENDERS {
        let mut bare = (Vec::new(), Vec::new());
        let mut ours = vec![(Vec::new(), Vec::new()); installed.len()];
        // One after the other in each round, so that what else the machine does meets all of them.
        for _ in 0..ROUNDS {
            let sent = send(echo.address, "/", &signer, 10, senders, MEASURED).await;
            bare.0.push(sent.a_second);
            bare.1.push(sent.p99);
            for (figures, (_, installation)) in ours.iter_mut().zip(&installed) {
                let path = &installation.path;
                let sent = send(installation.address, path, &signer, 10, senders, MEASURED).await;
                figures.0.push(sent.a_second);
                figures.1.push(sent.p99);
            }
        }
        let bare = (Rounds::of(bare.0), Rounds::of(bare.1));
        let count = senders.to_string();
        row(&[&count, "bare hyper, nothing stored", &bare.0.whole(), &bare.1.tenths(), "1.00", ""]);
        for (figures, (on, _)) in ours.into_iter().zip(&installed) {
            let (rate, p99) = (Rounds::of(figures.0), Rounds::of(figures.1));
            row(&[
                &count,
                on.name(),
                &rate.whole(),
                &p99.tenths(),
                &format!("{:.2}", rate.median() / bare.0.median()),
                &format!("{:.1}", rate.median() / fsync.median()),
            ]);
        }
    }
}
