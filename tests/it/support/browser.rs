//! Chromium, driven over WebDriver.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Process;
use super::{POLL_INTERVAL, TIMEOUT};

/// Maximum time for a condition of the page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(2 * TIMEOUT.as_secs());

/// Headless browser. It ends with the test.
pub struct Browser {
    pub client: Client,
    // Fields are dropped in this order. The browser does not end with its driver, and writes to the
    // folder while it runs.
    _chromium: Chromium,
    _driver: Process,
    _folder: TempDir,
}

/// Process id of the browser. Dropping this value kills the browser.
struct Chromium(u64);

impl Drop for Chromium {
    fn drop(&mut self) {
        // The command fails if the browser has already ended.
        let _ = Command::new("sh").args(["-c", &format!("kill -KILL {}", self.0)]).status();
    }
}

impl Browser {
    /// Starts an English browser with a light colour scheme and a page of this size, in pixels.
    pub async fn start(width: u32, height: u32) -> Self {
        Self::start_with(width, height, "en-GB", false).await
    }

    /// Starts a browser with a language, a light or dark colour scheme, and a page of this size, in
    /// pixels.
    pub async fn start_with(width: u32, height: u32, language: &str, is_dark: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("TMPDIR", folder.path());
        let driver = Process::start(&mut command, "chromium-driver");
        let port = |line: &str| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        };
        let (_, port) = driver.stdout.find(0, "chromedriver's port", port);
        let scheme = if is_dark {
            "--blink-settings=preferredColorScheme=0"
        } else {
            "--no-default-browser-check"
        };
        // With a pipe, the driver does not need an entry for localhost in the hosts file.
        let options = json!({ "args": [
            "--remote-debugging-pipe",
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--hide-scrollbars", format!("--accept-lang={language}"),
            format!("--lang={language}"), format!("--window-size={width},{height}"), scheme,
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
        let id =
            client.capabilities().and_then(|capabilities| capabilities["goog:processID"].as_u64());
        let chromium = Chromium(id.expect("chromedriver reports the browser's process id"));
        Self { client, _chromium: chromium, _driver: driver, _folder: folder }
    }

    /// Runs `script`, a function body, in the page and returns its result.
    pub async fn run_script(&self, script: &str) -> Value {
        let result = self.client.execute(script, Vec::new()).await;
        result.unwrap_or_else(|e| panic!("the page cannot run `{script}`: {e}"))
    }

    /// Runs `script`, a function body, until its result is neither null nor false nor an empty
    /// text. Returns the result.
    pub async fn wait_for(&self, condition: &str, script: &str) -> Value {
        let start = Instant::now();
        loop {
            let result = self.run_script(script).await;
            if !result.is_null() && result != false && result != "" {
                return result;
            }
            if start.elapsed() > PAGE_TIMEOUT {
                let text = self.run_script("return document.body.innerText").await;
                panic!("{condition}: the page shows {text}");
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Saves a picture of the page under `target/screenshots/`.
    pub async fn screenshot(&self, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
        std::fs::create_dir_all(&folder).expect("the target folder is writable");
        let file = folder.join(name);
        let png = self.client.screenshot().await.expect("the driver returns a picture");
        std::fs::write(&file, png).expect("the target folder is writable");
        println!("screenshot: {}", file.display());
        file
    }
}
