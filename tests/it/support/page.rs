//! Scripts, clicks and touches on the display's page.

use fantoccini::actions::{InputSource as _, MOUSE_BUTTON_LEFT, PointerAction, TouchActions};
use serde_json::{Value, json};

use super::browser::Browser;

/// Script that returns true while no animation runs.
pub const IS_AT_REST: &str =
    "return document.getAnimations().every((a) => a.playState !== 'running')";

/// Script that returns the visible elements that extend beyond the window.
pub const CUT_OFF: &str = "const isOutside = (e) => {
       const box = e.getBoundingClientRect();
       return box.left < -1 || box.top < -1 || box.right > innerWidth + 1
           || box.bottom > innerHeight + 1;
     };
     return [...document.querySelectorAll('section, article, article h1, article li, .total, button, footer, #clock, .invitation, .code')]
         .filter((e) => e.checkVisibility({ visibilityProperty: true }) && isOutside(e))
         .map((e) => `${e.className} ${e.innerText}`);";

/// JavaScript function `find`, which returns an enabled element by `SELECTOR` or `SELECTOR|TEXT`.
const FIND: &str = "const find = (target) => {
       const [selector, text] = target.split('|');
       // A dialog covers the rest of the page.
       const top = document.querySelector('dialog[open]') ?? document;
       return [...top.querySelectorAll(selector)].find(
         (e) => (!text || e.textContent === text) && !e.disabled && e.checkVisibility());
     };";

/// Clicks elements in sequence, each as soon as it is visible. Returns false if an element is still
/// missing after eight seconds.
pub async fn click(browser: &Browser, targets: &[&str]) -> bool {
    let script = format!(
        "{FIND}
         const done = arguments[arguments.length - 1];
         const targets = {};
         const deadline = Date.now() + 8000;
         const step = () => {{
           if (targets.length === 0) return done(true);
           if (Date.now() > deadline) return done(false);
           const found = find(targets[0]);
           if (found) {{ targets.shift(); found.click(); }}
           setTimeout(step, 50);
         }};
         step();",
        json!(targets)
    );
    let is_clicked = browser.client.execute_async(&script, vec![]).await;
    is_clicked.expect("the page runs the script") == true
}

/// Touches elements in sequence, each as soon as it is visible.
pub async fn touch(browser: &Browser, targets: &[&str]) {
    for target in targets {
        let script = format!(
            "{FIND}
             const found = find({});
             if (!found) return null;
             found.scrollIntoView({{ block: 'nearest' }});
             const box = found.getBoundingClientRect();
             return [box.x + box.width / 2, box.y + box.height / 2];",
            json!(target)
        );
        let centre = browser.wait_for(target, &script).await;
        let [x, y] =
            [&centre[0], &centre[1]].map(|coordinate| coordinate.as_f64().expect("a number"));
        let finger = TouchActions::new("finger".to_owned())
            .then(PointerAction::MoveTo { duration: None, x, y })
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
            .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
        browser.client.perform_actions(finger).await.expect("the page can be touched");
    }
}

/// Returns the violations of WCAG 2.2 AA that axe finds.
async fn violations(browser: &Browser) -> Value {
    browser.run_script(include_str!("../vendor/axe.min.js")).await;
    let script = "const done = arguments[arguments.length - 1];
        axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',
            'best-practice'] })
          .then((r) => done(r.violations.map((v) => [v.id, v.nodes.map((n) => n.html)])));";
    let found = browser.client.execute_async(script, vec![]).await;
    found.expect("axe runs in the page")
}

/// Asserts that axe finds no violation.
pub async fn assert_accessible(browser: &Browser, view: &str) {
    browser.wait_for("the page at rest", IS_AT_REST).await;
    assert_eq!(violations(browser).await, json!([]), "{view}");
}
