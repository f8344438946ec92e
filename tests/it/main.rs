//! Black-box tests of the built program.
//!
//! | module | subject |
//! |---|---|
//! | `errors` | messages about wrong settings, devices and files |
//! | `mqtt`, `asyncapi`, `access_control`, `overload` | the box at a real broker |
//! | `admin_socket` | clients of the admin socket that misbehave |
//! | `button`, `on_request` | the button, and recognition on request |
//! | `setup`, `setup_access`, `setup_examples`, `setup_services` | `instored setup`: files, rights of each account, documented examples, restarts |
//! | `orders` | command line, with and without a running box |
//! | `privacy`, `memory`, `tampering` | protection of customers' data |
//! | `display`, `display_outage`, `customer_page`, `demo_page` | the page in a real browser |
//! | `demo` | the demonstration |
//! | `support` | program, servers, clients and browser |

mod access_control;
mod admin_socket;
mod asyncapi;
mod button;
mod customer_page;
mod demo;
mod demo_page;
mod display;
mod display_outage;
mod errors;
mod memory;
mod mqtt;
mod on_request;
mod orders;
mod outbox;
mod overload;
mod privacy;
mod recovery;
mod setup;
mod setup_access;
mod setup_examples;
mod setup_services;
mod support;
mod tampering;
