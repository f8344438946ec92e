//! What the fuzz targets share.

/// Writes the seed inputs of `target` into `corpus/` of the current folder.
pub fn write_seeds(target: &str) {
    let folder = format!("corpus/{target}");
    std::fs::create_dir_all(&folder).expect("the folder is writable");
    let seeds = instored_vault::fuzzing::seeds().into_iter().filter(|(of, _)| *of == target);
    for (number, (_, bytes)) in seeds.enumerate() {
        std::fs::write(format!("{folder}/seed-{number:02}"), bytes).expect("the disk has room");
    }
}
