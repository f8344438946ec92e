//! Check of the dependencies between crates against the list in `edges.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

use crate::sources::root;

#[derive(Deserialize)]
struct Allowed {
    crates: BTreeMap<String, BTreeSet<String>>,
    sole_dependant: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` for a normal dependency, else "dev" or "build".
    kind: Option<String>,
}

fn allowed() -> Allowed {
    toml::from_str(include_str!("edges.toml")).unwrap()
}

/// Returns the direct dependencies of each package of the workspace, by short name.
fn dependencies(includes_dev: bool) -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata.packages.into_iter();
    packages
        .map(|package| {
            let direct = package.dependencies.into_iter();
            let direct = direct.filter(|d| includes_dev || d.kind.as_deref() != Some("dev"));
            (short(&package.name), direct.map(|dependency| short(&dependency.name)).collect())
        })
        .collect()
}

fn short(name: &str) -> String {
    name.strip_prefix("instored-").unwrap_or(name).to_owned()
}

#[test]
fn every_crate_is_listed() {
    let listed = allowed().crates;
    let folders = std::fs::read_dir(root().join("crates")).unwrap();
    for folder in folders {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(listed.contains_key(&name), "tests/guards/edges.toml lacks {name}");
    }
}

#[test]
fn crate_edges_match_committed_list() {
    let allowed = allowed().crates;
    let crates: BTreeSet<_> = allowed.keys().cloned().collect();
    let actual: BTreeMap<_, BTreeSet<_>> = dependencies(false)
        .into_iter()
        .filter(|(name, _)| crates.contains(name))
        .map(|(name, direct)| (name, direct.intersection(&crates).cloned().collect()))
        .collect();
    assert_eq!(actual, allowed, "left: Cargo.toml files, right: tests/guards/edges.toml");
}

#[test]
fn wrapped_package_has_listed_dependant_only() {
    let dependencies = dependencies(true);
    for (package, dependant) in allowed().sole_dependant {
        let is_wrapped = |name: &String| {
            *name == package
                || name.strip_prefix(&package).is_some_and(|rest| rest.starts_with('-'))
        };
        let dependants: Vec<_> = dependencies
            .iter()
            .filter(|(_, direct)| direct.iter().any(is_wrapped))
            .map(|(name, _)| name.clone())
            .collect();
        assert_eq!(dependants, [dependant], "direct dependants of {package}");
    }
}
