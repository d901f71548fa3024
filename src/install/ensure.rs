//! One installed, recorded, checked tree: found or made.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::error::Error;
use super::lock::{Pinned, pinned};
use super::manifest::{MANIFEST, Manifest};
use super::native::Build;
use super::space::{self, Free};
use super::tools::Tools;
use super::{Fact, Progress, modes, npm};

/// What is wanted, and from where.
#[derive(Debug, Clone)]
pub struct Request {
    /// A pinned version.
    pub version: String,
    /// The directory of the trees, see [`super::data_root`].
    pub root: PathBuf,
    /// Whether a tree that is there is made anew.
    pub reinstall: bool,
    /// The value of PATH in which node, npm and the compiler are looked for.
    pub path: OsString,
    /// The flowjail that jails the native build; None builds unjailed.
    pub flowjail: Option<PathBuf>,
    /// The free room to reckon with; None asks the filesystem.
    pub free: Option<Free>,
}

/// An installed tree whose manifest holds.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The directory that holds `node_modules`.
    pub path: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// Whether this call made it.
    pub fresh: bool,
}

impl Tree {
    /// Opens the tree at `path` and checks it against its record and the lock file of `version`.
    pub fn open(path: &Path, version: &str) -> Result<Tree, Error> {
        let tree = Tree {
            path: path.to_owned(),
            manifest: Manifest::load(path)?,
            fresh: false,
        };
        tree.manifest.verify(path, pinned(version)?)?;
        Ok(tree)
    }

    /// Checks again that nothing in it changed.
    pub fn verify(&self) -> Result<(), Error> {
        self.manifest
            .verify(&self.path, pinned(&self.manifest.flowise)?)
    }

    /// The script that node runs to start Flowise (with the argument `start`).
    pub fn script(&self) -> PathBuf {
        self.path.join("node_modules/flowise/bin/run")
    }
}

/// Names beside each other under the request's root.
struct Places {
    tree: PathBuf,
    partial: PathBuf,
    lock: PathBuf,
}

/// Finds the tree of the requested version and checks it, or installs it.
///
/// Two calls at once: the second waits for the first and takes its tree. A call that ended anywhere, in whatever
/// way, leaves nothing under the tree's final name that is not whole.
pub fn ensure(request: &Request, progress: &mut dyn Progress) -> Result<Tree, Error> {
    let pinned = pinned(&request.version)?;
    let places = Places::of(&request.root, pinned.version);
    if !request.reinstall && places.is_installed() {
        return Tree::open(&places.tree, pinned.version);
    }
    create_directory(&request.root)?;
    let locked = places.lock(progress)?;
    if !request.reinstall && places.is_installed() {
        return Tree::open(&places.tree, pinned.version);
    }
    let tools = Tools::find(&request.path)?;
    places.prepare(request, pinned, progress)?;
    if !npm::is_done(&places.partial, pinned) {
        npm::install(&places.partial, pinned, &tools, &locked, progress)?;
    }
    let flowjail = request.flowjail.as_deref();
    Build {
        tree: &places.partial,
        tools: &tools,
        flowjail,
        locked: &locked,
    }
    .make(progress)?;
    progress.report(&Fact::Recording);
    modes::open_for_reading(&places.partial)?;
    let manifest = Manifest::record(&places.partial, pinned, &tools.node.version)?;
    places.publish()?;
    progress.report(&Fact::Installed {
        path: places.tree.clone(),
    });
    Ok(Tree {
        path: places.tree,
        manifest,
        fresh: true,
    })
}

impl Places {
    fn of(root: &Path, version: &str) -> Places {
        let named = |suffix: &str| root.join(format!("flowise-{version}{suffix}"));
        Places {
            tree: named(""),
            partial: named(".partial"),
            lock: named(".lock"),
        }
    }

    fn is_installed(&self) -> bool {
        self.tree.join(MANIFEST).exists()
    }

    /// Takes the lock, waiting as long as another process has it.
    fn lock(&self, progress: &mut dyn Progress) -> Result<File, Error> {
        let failed = |source| Error::io("lock", &self.lock, source);
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.lock);
        let file = options.map_err(failed)?;
        let mut reported = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) if !reported => {
                    reported = true;
                    progress.report(&Fact::Waiting {
                        lock: self.lock.clone(),
                    });
                }
                Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(100)),
            }
        }
    }

    /// Makes the working directory; leftovers that npm would throw away go first, since they take the room.
    fn prepare(
        &self,
        request: &Request,
        pinned: &Pinned,
        progress: &mut dyn Progress,
    ) -> Result<(), Error> {
        if npm::is_done(&self.partial, pinned) {
            return Ok(());
        }
        if self.partial.exists() {
            progress.report(&Fact::Clearing);
            remove(&self.partial)?;
        }
        let free = request
            .free
            .map_or_else(|| space::free(&request.root), Ok)?;
        if !pinned.need.fits(free) {
            return Err(Error::NoSpace {
                path: request.root.clone(),
                need: pinned.need,
                free,
            });
        }
        create_directory(&self.partial)
    }

    /// Gives the finished tree its name; a tree that has it already changes places with it and is removed.
    fn publish(&self) -> Result<(), Error> {
        if !self.tree.exists() {
            return fs::rename(&self.partial, &self.tree)
                .map_err(|source| Error::io("rename", &self.partial, source));
        }
        renameat2(
            AT_FDCWD,
            &self.partial,
            AT_FDCWD,
            &self.tree,
            RenameFlags::RENAME_EXCHANGE,
        )
        .map_err(|errno| Error::io("exchange", &self.partial, errno.into()))?;
        remove(&self.partial)
    }
}

/// Makes a directory, and those above it, that everyone may read: Flowise may run under another uid.
fn create_directory(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(|source| Error::io("create", path, source))
}

fn remove(directory: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(directory) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(Error::io("remove", directory, source))
        }
        _ => Ok(()),
    }
}
