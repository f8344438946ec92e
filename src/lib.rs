//! instored greets shop customers who asked for it: on-device face recognition, a signed vault,
//! MQTT events, and nothing kept of anyone else.
//!
//! `docs/architecture.md` shows the rooms and the way of a frame. A module knows only those below:
//!
//! | floor | modules |
//! |---|---|
//! | 5 | [`cli`], [`demo`] |
//! | 4 | [`daemon`], [`evaluate`], [`config`] |
//! | 3 | [`camera`], [`panel`], [`bus`], [`display`] |
//! | 2 | [`recognition`], [`recommend`], [`history`], [`vault`], [`intake`] |
//! | 1 | [`vision`] |
//! | 0 | [`domain`] |

#![forbid(unsafe_code)]

pub mod bus;
pub mod camera;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod display;
pub mod domain;
pub mod evaluate;
pub mod history;
pub mod intake;
pub mod panel;
pub mod recognition;
pub mod recommend;
pub mod vault;
pub mod vision;
