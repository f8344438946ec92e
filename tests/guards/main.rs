//! Rules of the source tree that the compiler does not enforce.

mod edges;
mod prose;
mod purposes;
mod sources;
