//! Printed result of the set-up.

use std::path::PathBuf;

use instored_setup::{Account, Layout, Plan, Request, Role, UndoReport};

use crate::config::Config;
use crate::output::print_line;

/// Prints accounts, page and the lines for other programs.
pub(super) fn print(
    layout: &Layout,
    request: &Request,
    plan: &Plan,
    changes: &[PathBuf],
    config: &Config,
) -> anyhow::Result<()> {
    if changes.is_empty() {
        print_line("The set-up is complete; nothing was changed.")?;
    } else {
        print_line("Written:")?;
        for path in changes {
            print_line(format_args!("  {}", path.display()))?;
        }
    }
    print_line(
        "\nThe broker accepts these accounts only, each for one program at a time. The file contains the \
         password:",
    )?;
    for account in plan.accounts() {
        print_line(format_args!(
            "  {:24} {}",
            account.name,
            layout.password(&account.name).display()
        ))?;
    }
    print_page(plan, config)?;
    print_connection(layout, request, plan)?;
    if request.has_box_key && plan.record().box_key.is_none() {
        print_line(
            "\nThe display does not know the key of the box yet: run `sudo instored setup` again after the box has \
             started.",
        )?;
    }
    print_line(
        "\n`sudo instored setup --undo` removes all of this. Check the box: `sudo instored doctor`",
    )
}

fn print_page(plan: &Plan, config: &Config) -> anyhow::Result<()> {
    let listen = config.display.listen;
    let host =
        if listen.ip().is_unspecified() { "127.0.0.1".into() } else { listen.ip().to_string() };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let address = format!("http://{host}:{}/", listen.port());
    match plan.page_token() {
        Some(token) => print_line(format_args!(
            "\nThe page needs a token. Open this address once in the browser of the display:\n  \
             {address}?token={token}"
        )),
        None => print_line(format_args!(
            "\nThe page at {address} keeps the token of display.token_file."
        )),
    }
}

/// Prints the settings by which tills, Home Assistant and displays connect.
fn print_connection(layout: &Layout, request: &Request, plan: &Plan) -> anyhow::Result<()> {
    let name = |role: Role| role.account(&request.policy.box_id, 1).name;
    let (till, home) = (name(Role::Till), name(Role::HomeAssistant));
    print_line(format_args!(
        "\nTill and Home Assistant on this machine: host {}, port {}, user name `{till}` or `{home}`, with its \
         password.",
        request.broker_address, request.broker_port
    ))?;
    let Some(address) = plan.record().remote.first() else {
        return print_line(
            "Programs on other machines cannot connect; `sudo instored setup --remote ADDRESS`, with this \
             machine's address in the shop's network, lets them.",
        );
    };
    print_line(format_args!(
        "Programs on other machines: host {}, port {} with TLS. Copy the authority {} to them.",
        plan.record().remote.join(" or "),
        request.tls_port,
        layout.authority().display()
    ))?;
    if let Some(expires) = plan.record().certificate_expires {
        print_line(format_args!(
            "The certificate of the broker ends on {expires}; `sudo instored setup` renews it in the last two \
             years."
        ))?;
    }
    let is_display = |account: &&Account| account.role == Role::Display;
    // The last display is the one on another machine, if there are several.
    let Some(display) = plan.accounts().iter().rfind(is_display) else { return Ok(()) };
    let key =
        plan.record().box_key.as_ref().map(|key| format!("\n  [display]\n  box_key = \"{key}\""));
    print_line(format_args!(
        "\nConfiguration of a display on another machine:\n  [mqtt]\n  host = \"{address}\"\n  port = {}\n  \
         tls = true\n  ca_file = \"/etc/instored/ca.pem\"\n  username = \"{}\"\n  password_file = \
         \"/run/credentials/instored-display.service/mqtt-password\"{}",
        request.tls_port,
        display.name,
        key.unwrap_or_default()
    ))
}

/// Prints the deleted files, and those that remain.
pub(super) fn print_undo(undone: &UndoReport) -> anyhow::Result<()> {
    for path in &undone.deleted {
        print_line(format_args!("deleted {}", path.display()))?;
    }
    for path in &undone.edited {
        print_line(format_args!(
            "kept {}: it was changed since `instored setup` wrote it",
            path.display()
        ))?;
    }
    for path in &undone.needed {
        print_line(format_args!("kept {}: a changed file names it", path.display()))?;
    }
    Ok(())
}
