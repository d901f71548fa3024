//! Which files the jail sees, and whether the workload's ids will be able to use them.
#![forbid(unsafe_code)]

mod usable;

use std::path::{Path, PathBuf};

use super::ids::IdPlan;
use super::place;
use super::refusal::Refusal;
use crate::host::{ANYONE, Host, PathFact, PathKind, SHARED};
use crate::profile::{Layer, Profile, ReadPath, Sourced, Template, WritePath};

/// The resolved files.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Paths of the host that are granted.
    pub grants: Vec<Grant>,
    /// Symbolic links on the way to them.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Paths that may be executed: the program, its loader, the profile's programs.
    pub executable: Vec<PathBuf>,
    /// Writable directories that are to be made.
    pub makes: Vec<PathBuf>,
    /// Files that are to be made in writable directories, as the jail sees them.
    pub group_files: Vec<PathBuf>,
    /// Where the profile wants what is shown where it lies.
    places: Vec<(PathBuf, PathBuf)>,
    /// The working directory.
    pub cwd: PathBuf,
    /// The home directory.
    pub home: PathBuf,
}

/// One path of the host that the jail sees.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Where it lies on the host, without symbolic links.
    pub source: PathBuf,
    /// Where the jail sees it.
    pub at: PathBuf,
    /// Device and inode, as they were when flowjail looked.
    pub inode: (u64, u64),
    /// Whether it is a directory.
    pub directory: bool,
    /// Whether it may be written.
    pub writable: bool,
    /// Whether symbolic links may be made in it.
    pub links: bool,
    /// Whether it is a device.
    pub device: bool,
    /// See [`super::Tree::owned_by_root`].
    pub owned_by_root: Option<(u32, u32)>,
}

/// Collects grants and, beside them, what cannot be granted.
pub struct Collector<'a> {
    host: &'a Host,
    ids: &'a IdPlan,
    own_root: bool,
    bare: bool,
    files: Files,
    refusals: Vec<Refusal>,
}

/// Resolves `[files]`, the program and the devices.
pub fn resolve(profile: &Profile, host: &Host, ids: &IdPlan) -> Result<Files, Vec<Refusal>> {
    let bare = place::is_bare(profile);
    let own_root = !profile.layers_off.contains(&Layer::Mounts) && !bare;
    let mut collector = Collector {
        host,
        ids,
        own_root,
        bare,
        files: Files::default(),
        refusals: Vec::new(),
    };
    profile
        .files
        .read
        .iter()
        .for_each(|entry| collector.read(entry));
    profile
        .files
        .write
        .iter()
        .for_each(|entry| collector.write(entry));
    profile
        .programs
        .iter()
        .for_each(|entry| collector.program(entry));
    collector.command();
    collector.keep_code_apart();
    collector.devices();
    if bare {
        collector.shared();
    }
    let text = |name: &str| host.variables.get(name).map(PathBuf::from);
    collector.files.home = text("home").unwrap_or_else(|| PathBuf::from("/"));
    let cwd = profile
        .files
        .cwd
        .as_ref()
        .and_then(|entry| collector.expand(&entry.value));
    let cwd = cwd.map(|path| collector.without_links(collector.seen_at(path)));
    collector.files.cwd = cwd.unwrap_or_else(|| PathBuf::from("/"));
    if collector.refusals.is_empty() {
        Ok(collector.files)
    } else {
        Err(collector.refusals)
    }
}

impl Collector<'_> {
    fn expand(&self, template: &Template) -> Option<PathBuf> {
        template
            .expand(&|name| self.host.variables.get(name).cloned())
            .map(PathBuf::from)
    }

    /// A path inside the jail's own root; where the host's root is seen, the place that a writable bind has there.
    fn seen_at(&self, path: PathBuf) -> PathBuf {
        if self.own_root {
            path
        } else {
            let granted = self
                .files
                .grants
                .iter()
                .any(|grant| path.starts_with(&grant.at));
            let own = granted.then(|| path.clone());
            self.host_place(&path)
                .or(own)
                .unwrap_or_else(|| PathBuf::from("/"))
        }
    }

    /// A place in the jail with the links that it has so far followed: what init makes there, it makes before it
    /// has left the host's root.
    fn without_links(&self, place: PathBuf) -> PathBuf {
        let mut place = place;
        for _ in 0..40 {
            let below = |(link, _): &&(PathBuf, PathBuf)| place.starts_with(link);
            let Some((link, target)) = self.files.links.iter().find(below) else {
                break;
            };
            let rest = place.strip_prefix(link).unwrap_or(&place).to_owned();
            place = link.parent().unwrap_or(link).join(target).join(rest);
        }
        place
    }

    fn host_place(&self, path: &PathBuf) -> Option<PathBuf> {
        let mut places = self.files.places.iter();
        let (_, source) = places.find(|(at, _)| at == path)?;
        Some(source.clone())
    }

    /// What a template names on this host; what has no value or is relative is a refusal.
    fn fact(&mut self, template: &Template, origin: &str) -> Option<(PathBuf, PathFact)> {
        let found = match self.expand(template) {
            None => {
                format!("`{template}` has no value: a variable in it is not known on this host")
            }
            Some(path) => match self.host.paths.get(&path) {
                _ if !path.is_absolute() => format!("`{}` is not an absolute path", path.display()),
                Some(fact) => return Some((path, fact.clone())),
                None => format!("`{}` was not looked at", path.display()),
            },
        };
        self.refuse(
            format!("{origin}: `{template}`"),
            "an absolute path",
            found,
            parameter_hint(template),
        );
        None
    }

    fn refuse(&mut self, what: String, needs: &str, found: String, hint: Option<String>) {
        self.refusals.push(Refusal {
            what,
            needs: needs.into(),
            found,
            hints: hint.into_iter().collect(),
        });
    }

    fn read(&mut self, entry: &Sourced<ReadPath>) {
        let template = &entry.value.path;
        if entry.value.optional && self.expand(template).is_none() {
            return;
        }
        let Some((path, fact)) = self.fact(template, &entry.origin) else {
            return;
        };
        match fact.kind {
            PathKind::Missing(_) if entry.value.optional => {}
            PathKind::Missing(errno) => {
                let hint = format!(
                    "mark it `optional = true` in {}, or correct it",
                    entry.origin
                );
                let found = format!("{}: {errno}", path.display());
                self.refuse(
                    format!("read `{}`", path.display()),
                    "to be there",
                    found,
                    Some(hint),
                );
            }
            _ => self.grant(&fact, None, false),
        }
    }

    /// Grants a path, unless a start as root could be led elsewhere by someone who can replace a part of it.
    fn grant(&mut self, fact: &PathFact, at: Option<PathBuf>, writable: bool) {
        let others = fact
            .replaceable_by
            .iter()
            .filter(|&&user| user != self.ids.uid);
        let swapper = others.max().copied();
        if self.ids.root_start && (swapper.is_some() || writable && fact.group_replaceable) {
            let who = match swapper {
                Some(ANYONE) => "everyone".to_owned(),
                Some(user) => format!("user {user}"),
                None => "a group".to_owned(),
            };
            let shown = fact.real.display();
            let found = format!("{who} can put something else in the place of a part of it");
            let hint =
                "start flowjail as that user, or use a place where root alone can write".to_owned();
            let needs = "to be root's or the workload's all the way, in a start as root";
            return self.refuse(format!("path `{shown}`"), needs, found, Some(hint));
        }
        self.files.links.extend(fact.links.iter().cloned());
        self.push(fact, at, writable);
    }

    fn push(&mut self, fact: &PathFact, at: Option<PathBuf>, writable: bool) {
        let source = fact.real.clone();
        self.files.grants.push(Grant {
            at: at.unwrap_or_else(|| source.clone()),
            source,
            inode: fact.inode,
            directory: fact.kind == PathKind::Directory,
            writable,
            links: false,
            device: false,
            owned_by_root: None,
        });
    }

    fn write(&mut self, entry: &Sourced<WritePath>) {
        let Some((path, fact)) = self.fact(&entry.value.path, &entry.origin) else {
            return;
        };
        let shown = path.display();
        if self.bare && self.makes(&fact) {
            self.files.makes.push(fact.real.clone());
        } else if fact.kind != PathKind::Directory {
            let (found, hint) = self.not_there(&fact, &path);
            return self.refuse(format!("write `{shown}`"), "a directory", found, Some(hint));
        }
        let owned_by_root = match self.usable(&fact) {
            _ if self.files.makes.contains(&fact.real) => None,
            Ok(mapping) => mapping,
            Err((found, hint)) => {
                let needs = format!("to be writable for uid {}", self.ids.uid);
                return self.refuse(format!("write `{shown}`"), &needs, found, Some(hint));
            }
        };
        let at = entry
            .value
            .at
            .as_ref()
            .and_then(|template| self.expand(template))
            .or(Some(path));
        let at = at.map(|at| self.without_links(at));
        self.files
            .places
            .extend(at.clone().map(|at| (at, fact.real.clone())));
        self.grant(&fact, at.filter(|_| self.own_root), true);
        if let Some(grant) = self.files.grants.last_mut() {
            grant.owned_by_root = owned_by_root;
            grant.links = entry.value.links;
            let names = entry.value.group_files.iter().filter(|_| self.ids.gid == 0);
            self.files
                .group_files
                .extend(names.map(|name| grant.at.join(name)));
        }
    }

    fn program(&mut self, entry: &Sourced<Template>) {
        let Some((_, fact)) = self.fact(&entry.value, &entry.origin) else {
            return;
        };
        if !matches!(fact.kind, PathKind::Missing(_)) {
            self.grant(&fact, None, false);
            self.files.executable.push(fact.real);
        }
    }

    fn command(&mut self) {
        let command = &self.host.command;
        let parts = [
            Some(&command.program),
            command.loader.as_ref(),
            command.script.as_ref(),
        ];
        for (index, path) in parts.into_iter().enumerate() {
            let Some(fact) = path.and_then(|path| self.host.paths.get(path)).cloned() else {
                continue;
            };
            if !matches!(fact.kind, PathKind::Missing(_)) {
                self.grant(&fact, None, false);
                if index < 2 {
                    self.files.executable.push(fact.real);
                }
            }
        }
    }

    /// What is written must not show as code elsewhere: a readable directory or a program inside a writable directory
    /// is refused.
    fn keep_code_apart(&mut self) {
        let written: Vec<PathBuf> = self.written().map(|grant| grant.source.clone()).collect();
        let inside = |path: &PathBuf| written.iter().find(|place| path.starts_with(place));
        let code = self
            .files
            .grants
            .iter()
            .filter(|grant| !grant.writable && grant.directory);
        let code = code
            .map(|grant| grant.source.clone())
            .chain(self.files.executable.clone());
        let mixed: Vec<(PathBuf, PathBuf)> = code
            .filter_map(|path| Some((path.clone(), inside(&path)?.clone())))
            .collect();
        for (path, place) in mixed {
            let found = format!("it lies in `{}`, which the jail writes", place.display());
            let hint = "keep what is run outside of what is written".to_owned();
            self.refuse(
                format!("`{}`", path.display()),
                "to be read and never written",
                found,
                Some(hint),
            );
        }
    }

    fn written(&self) -> impl Iterator<Item = &Grant> {
        self.files.grants.iter().filter(|grant| grant.writable)
    }

    /// Files of the host that stand where the namespaced jail has its own.
    fn shared(&mut self) {
        for path in SHARED {
            let Some(fact) = self.host.paths.get(Path::new(path)).cloned() else {
                continue;
            };
            let writable = fact.kind == PathKind::Directory;
            // A host's /tmp holds what others of the same user have there.
            if writable && !self.host.container {
                continue;
            }
            let code = |grant: &Grant| !grant.writable && grant.source.starts_with(&fact.real);
            let usable =
                !writable || self.usable(&fact).is_ok() && !self.files.grants.iter().any(code);
            if !matches!(fact.kind, PathKind::Missing(_)) && usable {
                self.push(&fact, None, writable);
            }
        }
    }

    fn devices(&mut self) {
        let devices: Vec<PathFact> = self
            .host
            .paths
            .iter()
            .filter(|(path, _)| path.starts_with("/dev"))
            .map(|(_, fact)| fact.clone())
            .collect();
        for fact in devices.iter().filter(|fact| fact.kind == PathKind::Special) {
            self.grant(fact, None, false);
            if let Some(grant) = self.files.grants.last_mut() {
                grant.device = true;
            }
        }
    }
}

fn parameter_hint(template: &Template) -> Option<String> {
    let name = template.0.iter().find_map(|part| match part {
        crate::profile::Part::Variable(name) => Some(name.clone()),
        crate::profile::Part::Text(_) => None,
    })?;
    Some(format!("give it: --set {name}=/PATH"))
}
