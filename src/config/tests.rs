//! Tests for loading, errors and generated files.

use confique::meta::{FieldKind, Meta};

use super::*;

fn load(text: &str) -> Result<Config, ConfigError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Config::load(Some(file.path()))
}

#[test]
fn example_has_default_values() {
    let example = load(&Config::example()).unwrap().to_toml().unwrap();
    assert_eq!(example, load("").unwrap().to_toml().unwrap());
}

#[test]
fn shipped_example_file_equals_generated_one() {
    let shipped = include_str!("../../config/instored.toml");
    assert_eq!(shipped, Config::example(), "run `make config`");
}

#[test]
fn shipped_reference_equals_generated_one() {
    let shipped = include_str!("../../docs/configuration.md");
    assert_eq!(shipped, reference::markdown(), "run `make config`");
}

#[test]
fn changed_sections_exclude_shop() {
    let before = load("").unwrap();
    let text = "box_name = \"till\"\n[shop]\norders_shown = 1\n[camera]\nfps = 5\n";
    let after = load(text).unwrap();
    assert_eq!(after.sections_changed_besides_shop(&before), ["box_name", "camera"]);
    assert!(before.sections_changed_besides_shop(&before).is_empty());
}

#[test]
fn unknown_key_error_suggests_similar_key() {
    let error = load("[camera]\ndevize = \"/dev/video2\"").unwrap_err().to_string();
    assert!(error.contains("unknown key `camera.devize`"), "{error}");
    assert!(error.contains("did you mean `camera.device`?"), "{error}");
    let error = load("zzzzqqq = 1").unwrap_err().to_string();
    assert!(error.contains("unknown key `zzzzqqq`") && !error.contains("did you"), "{error}");
}

#[test]
fn invalid_value_error_names_its_place() {
    let error = load("[camera]\nfps = \"fast\"").unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("fps"), "{error}");
    let error = load("[recognition]\nthreshold = 45.0").unwrap_err().to_string();
    assert!(error.contains("threshold must be from 0 to 1"), "{error}");
    let error = load("box_name = \"Shop 1\"").unwrap_err().to_string();
    assert!(error.contains("cannot name a box"), "{error}");
}

#[test]
fn invalid_environment_variable_error_names_key() {
    let message = "failed to deserialize value `Settings::port` from environment variable \
                   `INSTORED_MQTT_PORT`: invalid value 'abc' for type u16";
    let error = keys::environment_error(message).to_string();
    assert!(error.starts_with("mqtt.port: cannot use INSTORED_MQTT_PORT="), "{error}");
    assert!(error.contains("allowed: whole number, 0 to 65535. "), "{error}");
    assert!(!error.contains("Settings"), "{error}");
}

#[test]
fn types_of_keys_are_in_plain_words() {
    let keys: Vec<_> = keys::sections().into_iter().flat_map(|section| section.keys).collect();
    let allowed = |path: &str| keys.iter().find(|k| k.path == path).unwrap().allowed_type();
    for (path, expected) in [
        ("box_name", "text"),
        ("state_dir", "path"),
        ("shop.orders_shown", "whole number"),
        ("mqtt.port", "whole number, 0 to 65535"),
        ("mqtt.username", "text"),
        ("mqtt.tls", "true or false"),
        ("mqtt.ca_file", "path"),
        ("recognition.threshold", "number"),
        ("panel.pull", "one of \"up\", \"down\", \"none\""),
        ("metrics.listen", "address and port"),
    ] {
        assert_eq!(allowed(path), expected, "{path}");
    }
}

#[test]
fn environment_variable_is_named_after_key() {
    fn check(meta: &Meta, prefix: &str) {
        for field in meta.fields {
            let name = format!("{prefix}_{}", field.name.to_uppercase());
            match field.kind {
                FieldKind::Leaf { env, .. } => assert_eq!(env, Some(name.as_str())),
                FieldKind::Nested { meta } => check(meta, &name),
            }
        }
    }
    check(&Config::META, "INSTORED");
}
