//! Drives the built program as its users do: by its command line, over a real broker, in a real
//! browser. Nothing of the library is linked; what these tests say, a user can try.

mod access;
mod broker;
mod contract;
mod customer;
mod demo;
mod display;
mod flood;
mod on_request;
mod orders;
mod page;
mod privacy;
mod support;
mod tampered;
mod trouble;
