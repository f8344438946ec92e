//! Seed inputs of the fuzz targets.

/// Writes the seed inputs of `target` into `corpus/` of the current folder.
pub fn write_seeds(target: &str) {
    let folder = format!("corpus/{target}");
    std::fs::create_dir_all(&folder).expect("the folder is writable");
    let seeds = instored_vault::fuzzing::seeds().into_iter().filter(|(name, _)| *name == target);
    for (number, (_, bytes)) in seeds.enumerate() {
        std::fs::write(format!("{folder}/seed-{number:02}"), bytes).expect("the disk has space");
    }
}
