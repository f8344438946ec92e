//! Looking at the page, and touching it.

use fantoccini::actions::{InputSource as _, MOUSE_BUTTON_LEFT, PointerAction, TouchActions};
use serde_json::{Value, json};

use super::browser::Browser;

/// Whether nothing moves.
pub const AT_REST: &str = "return document.getAnimations().every((a) => a.playState !== 'running')";

/// Finds what can be touched, by a selector and perhaps, behind a bar, its text.
const FIND: &str = "const find = (wanted) => {
       const [name, text] = wanted.split('|');
       // What a dialog covers cannot be touched.
       const top = document.querySelector('dialog[open]') ?? document;
       return [...top.querySelectorAll(name)].find(
         (e) => (!text || e.textContent === text) && !e.disabled && e.checkVisibility());
     };";

/// Clicks one thing after the other as soon as each is there; for eight seconds at most.
pub async fn click(browser: &Browser, wanted: &[&str]) -> bool {
    let script = format!(
        "{FIND}
         const done = arguments[arguments.length - 1];
         const wanted = {};
         const until = Date.now() + 8000;
         const step = () => {{
           if (wanted.length === 0) return done(true);
           if (Date.now() > until) return done(false);
           const found = find(wanted[0]);
           if (found) {{ wanted.shift(); found.click(); }}
           setTimeout(step, 50);
         }};
         step();",
        json!(wanted)
    );
    let clicked = browser.client.execute_async(&script, vec![]).await;
    clicked.expect("the page answers") == true
}

/// Touches one thing after the other with a finger, as soon as each is there.
pub async fn touch(browser: &Browser, wanted: &[&str]) {
    for wanted in wanted {
        let place = format!(
            "{FIND}
             const found = find({});
             if (!found) return null;
             found.scrollIntoView({{ block: 'nearest' }});
             const box = found.getBoundingClientRect();
             return [box.x + box.width / 2, box.y + box.height / 2];",
            json!(wanted)
        );
        let place = browser.until(wanted, &place).await;
        let [x, y] = [&place[0], &place[1]].map(|at| at.as_f64().expect("a place is a number"));
        let finger = TouchActions::new("finger".to_owned())
            .then(PointerAction::MoveTo { duration: None, x, y })
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
            .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
        browser.client.perform_actions(finger).await.expect("the page can be touched");
    }
}

/// What the axe rules for WCAG 2.2 AA find wrong.
async fn violations(browser: &Browser) -> Value {
    browser.ask(include_str!("../vendor/axe.min.js")).await;
    let script = "const done = arguments[arguments.length - 1];
        axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',
            'best-practice'] })
          .then((r) => done(r.violations.map((v) => [v.id, v.nodes.map((n) => n.html)])));";
    let found = browser.client.execute_async(script, vec![]).await;
    found.expect("axe runs in the page")
}

pub async fn assert_accessible(browser: &Browser, what: &str) {
    browser.until("the page at rest", AT_REST).await;
    assert_eq!(violations(browser).await, json!([]), "{what}");
}

/// What stands on a card and reaches beyond the window, or the card.
pub const CUT_OFF: &str = "const outside = (e) => {
       const box = e.getBoundingClientRect();
       return box.left < -1 || box.top < -1 || box.right > innerWidth + 1
           || box.bottom > innerHeight + 1;
     };
     return [...document.querySelectorAll('section, article, article h1, article li, .total, button, footer, #clock, .invitation, .code')]
         .filter((e) => e.checkVisibility({ visibilityProperty: true }) && outside(e))
         .map((e) => `${e.className} ${e.innerText}`);";
