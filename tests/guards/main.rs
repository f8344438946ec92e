//! Rules of the source tree that the compiler does not enforce.

mod edges;
mod links;
mod markdown;
mod messages;
mod promises;
mod prose;
mod purposes;
mod sources;
