//! Taking a lock that a panicking holder may have left: the sandbox's state is plain data, changed in one
//! step each time, so it is whole whatever happened.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
