//! The domain and the vault, built for fuzzing.

// The rooms that are not built here use it.
#[allow(unused_imports)]
#[path = "../src/domain/mod.rs"]
pub mod domain;
#[path = "../src/vault/mod.rs"]
pub mod vault;

/// Writes the examples that fuzzing of `target` begins with into `corpus/` of the current folder.
pub fn sow(target: &str) {
    let folder = format!("corpus/{target}");
    std::fs::create_dir_all(&folder).expect("a folder that can be written");
    let seeds = vault::fuzzing::seeds().into_iter().filter(|(of, _)| *of == target);
    for (number, (_, bytes)) in seeds.enumerate() {
        std::fs::write(format!("{folder}/seed-{number:02}"), bytes).expect("room on the disk");
    }
}
