//! The folder in which everything lies that the host keeps on its own disk: the embedded database, compiled
//! connectors, and files that are on their way.
//!
//! Makes the layout and keeps it to its owner, since it holds personal data. Any number of
//! processes may read; [`WorkLock`] sees to it that only one works on runs. What is in the files is for
//! their owners to say.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::ErrorCode;

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The folder, or one in it, is not there and cannot be made.
    #[error("the data folder {path} cannot be made ({message}); make it, or name another one with --data")]
    NotMade {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// There is something else by that name.
    #[error("{path} is not a folder; move it away, or name another data folder with --data")]
    NotAFolder {
        /// What is in the way.
        path: PathBuf,
    },
    /// The lock file cannot be opened or locked.
    #[error(
        "the lock {path} cannot be taken ({message}); check that the data folder belongs to this user and lies on a disk that has file locks"
    )]
    NoLock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
}

impl ErrorCode for DataDirError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotMade { .. } => "data-dir-not-made",
            Self::NotAFolder { .. } => "data-dir-not-a-folder",
            Self::NoLock { .. } => "data-dir-no-lock",
        }
    }
}

/// The data folder, with its layout in place.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

/// Held by the one process that works on runs; let go when dropped, and by the system when the process
/// ends in whatever way.
#[derive(Debug)]
pub struct WorkLock {
    _file: File,
}

impl DataDir {
    /// Opens the folder, and makes what is missing of it with access for its owner only. A folder that
    /// is there keeps the access that it has.
    ///
    /// # Errors
    /// [`DataDirError::NotMade`] and [`DataDirError::NotAFolder`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let dir = Self { root: path.into() };
        for folder in [dir.root.clone(), dir.cache(), dir.spool()] {
            make_folder(&folder)?;
        }
        Ok(dir)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The embedded store's file.
    pub fn database(&self) -> PathBuf {
        self.root.join("sluice.db")
    }

    /// Compiled connectors. Can be deleted at any time.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Exports and imports on their way: files without a name, which are gone with the process.
    pub fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    /// Takes the right to work on runs; none while another process (or another lock of this one) has it.
    ///
    /// # Errors
    /// [`DataDirError::NoLock`].
    pub fn lock(&self) -> Result<Option<WorkLock>, DataDirError> {
        let path = self.root.join("lock");
        let failed =
            |error: io::Error| DataDirError::NoLock { path: path.clone(), message: error.to_string() };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(WorkLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

fn make_folder(path: &Path) -> Result<(), DataDirError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    // Made first and looked at afterwards: another process may make it at the same time, which is no error.
    match builder.create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(DataDirError::NotAFolder { path: path.to_owned() })
        }
        Err(error) => Err(DataDirError::NotMade { path: path.to_owned(), message: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_the_layout_for_its_owner_only_and_opens_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a/b");
        let dir = DataDir::open(&root).unwrap();
        assert_eq!(dir.root(), root);
        for made in [root.clone(), dir.cache(), dir.spool()] {
            assert!(made.is_dir());
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let mode = made.metadata().unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o700, "{}", made.display());
            }
        }
        DataDir::open(&root).unwrap();
    }

    #[test]
    fn any_number_may_open_it_for_the_first_time() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..200 {
            let root = folder.path().join(round.to_string());
            let start = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        start.wait();
                        DataDir::open(&root).unwrap();
                    });
                }
            });
        }
    }

    #[test]
    fn only_one_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::open(folder.path()).unwrap();
        let held = dir.lock().unwrap().unwrap();
        assert!(DataDir::open(folder.path()).unwrap().lock().unwrap().is_none());

        drop(held);
        assert!(dir.lock().unwrap().is_some());
    }

    #[test]
    fn says_what_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(DataDir::open(&file).unwrap_err().code(), "data-dir-not-a-folder");
        let below = DataDir::open(file.join("below")).unwrap_err();
        assert_eq!(below.code(), "data-dir-not-made");
        assert!(below.to_string().contains("--data"), "{below}");

        let dir = DataDir::open(folder.path().join("data")).unwrap();
        std::fs::create_dir(dir.root().join("lock")).unwrap();
        assert_eq!(dir.lock().unwrap_err().code(), "data-dir-no-lock");
    }
}
