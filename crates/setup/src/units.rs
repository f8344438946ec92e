//! Drop-in files of the systemd units: credentials and settings of the services.

use std::fmt::Write as _;
use std::path::Path;

const HEADER: &str =
    "# Written by `instored setup`; `instored setup --undo` deletes this file.\n[Service]\n";
/// Names of the credentials.
const PASSWORD: &str = "mqtt-password";
const TOKEN: &str = "page-token";

/// Returns the drop-in of a service with an account.
///
/// The service reads the files as credentials, because its dynamic user cannot read files of root.
pub(super) fn drop_in(account: &str, password: &Path) -> String {
    format!(
        "{HEADER}LoadCredential={PASSWORD}:{}\n\
         Environment=INSTORED_MQTT_USERNAME={account}\n\
         Environment=INSTORED_MQTT_PASSWORD_FILE=%d/{PASSWORD}\n",
        password.display()
    )
}

/// Returns the drop-in of the display.
pub(super) fn display_drop_in(
    account: &str,
    password: &Path,
    token: Option<&Path>,
    box_key: Option<&str>,
) -> String {
    let mut text = drop_in(account, password);
    if let Some(token) = token {
        let _ = write!(
            text,
            "LoadCredential={TOKEN}:{}\nEnvironment=INSTORED_DISPLAY_TOKEN_FILE=%d/{TOKEN}\n",
            token.display()
        );
    }
    if let Some(key) = box_key {
        let _ = writeln!(text, "Environment=INSTORED_DISPLAY_BOX_KEY={key}");
    }
    text
}
