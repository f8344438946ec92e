//! A real browser, driven over WebDriver.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::PATIENCE;
use super::process::Process;

/// A chromium without a window; it and its driver end with the test.
pub struct Browser {
    pub client: Client,
    // Dropped in this order: the browser outlives a driver that is killed, and it writes there.
    _chromium: Chromium,
    _driver: Process,
    _folder: TempDir,
}

/// The browser's process, by its id.
struct Chromium(u64);

impl Drop for Chromium {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = Command::new("sh").args(["-c", &format!("kill -KILL {}", self.0)]).status();
    }
}

impl Browser {
    /// Starts one with a window of this size.
    pub async fn start(width: u32, height: u32) -> Self {
        Self::start_as(width, height, "en-GB", false).await
    }

    /// Starts one whose page has this size, of somebody who speaks a language, by day or by night.
    pub async fn start_as(width: u32, height: u32, language: &str, night: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("TMPDIR", folder.path());
        let driver = Process::start(&mut command, "chromium-driver");
        let port = |line: &str| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        };
        let (_, port) = driver.stdout.find(0, "chromedriver's port", port);
        // By a pipe: the driver's other way needs a hosts file that knows localhost.
        let options = json!({ "args": [
            "--remote-debugging-pipe",
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--hide-scrollbars", format!("--accept-lang={language}"),
            format!("--lang={language}"), format!("--window-size={width},{height}"),
            if night { "--blink-settings=preferredColorScheme=0" } else { "--no-default-browser-check" },
            format!("--user-data-dir={}", folder.path().join("profile").display()),
        ], "mobileEmulation": { "deviceMetrics": {
            "width": width, "height": height, "pixelRatio": 1.0, "touch": true, "mobile": false,
        }}});
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:chromeOptions".into(), options);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|e| panic!("chromium does not start ({e}): install chromium"));
        let id = client.capabilities().and_then(|given| given["goog:processID"].as_u64());
        let chromium = Chromium(id.expect("chromedriver says which process the browser is"));
        Self { client, _chromium: chromium, _driver: driver, _folder: folder }
    }

    /// What a function's body in the page returns.
    pub async fn ask(&self, script: &str) -> Value {
        let answer = self.client.execute(script, Vec::new()).await;
        answer.unwrap_or_else(|e| panic!("the page did not answer `{script}`: {e}"))
    }

    /// Asks the page until the answer is neither null nor false.
    pub async fn until(&self, what: &str, script: &str) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.ask(script).await;
            if !answer.is_null() && answer != false {
                return answer;
            }
            if begun.elapsed() > 2 * PATIENCE {
                let shows = self.ask("return document.body.innerText").await;
                panic!("{what}: the page shows {shows}");
            }
            tokio::time::sleep(super::PAUSE).await;
        }
    }

    /// Saves what is to be seen under `target/screenshots/`.
    pub async fn screenshot(&self, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
        std::fs::create_dir_all(&folder).expect("the target folder is writable");
        let file = folder.join(name);
        let png = self.client.screenshot().await.expect("a browser can be photographed");
        std::fs::write(&file, png).expect("the target folder is writable");
        println!("screenshot: {}", file.display());
        file
    }
}
