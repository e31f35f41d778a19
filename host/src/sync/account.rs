//! An account of what is asked of APSIS One for one contact, written down while it is asked: each step with the
//! requests that it took.

use std::sync::{Arc, Mutex, PoisonError};

use crate::apsis::Target;
use crate::step::{Asked, Request, Step};

/// What was asked so far.
pub struct Account {
    asked: Vec<Asked>,
    /// Requests since the last step.
    heard: Arc<Mutex<Vec<Request>>>,
}

impl Account {
    /// An empty account, and the target whose requests are noted down in it.
    pub fn of(target: &Target) -> (Target, Self) {
        let heard: Arc<Mutex<Vec<Request>>> = Arc::default();
        let listener = {
            let heard = Arc::clone(&heard);
            Arc::new(move |request| heard.lock().unwrap_or_else(PoisonError::into_inner).push(request))
        };
        (target.heard_by(listener), Self { asked: Vec::new(), heard })
    }

    /// A step has come to its end, by the requests since the one before.
    pub fn push(&mut self, step: Step) {
        let requests = self.take();
        self.asked.push(Asked { step: Some(step), requests });
    }

    /// The steps so far.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.asked.iter().filter_map(|asked| asked.step.as_ref())
    }

    /// All of it; requests that came to no step stand at the end.
    pub fn finish(mut self) -> Vec<Asked> {
        let requests = self.take();
        if !requests.is_empty() {
            self.asked.push(Asked { step: None, requests });
        }
        self.asked
    }

    fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
