//! Purposes of embeddings: types that prove that an embedding is permitted.

use std::marker::PhantomData;

/// Purpose of an embedding. It borrows an enrolment or a recognition window and cannot outlive it.
/// `tests/guards/purposes.rs` lists the places that may create a purpose.
#[derive(Debug)]
pub struct Purpose<'a> {
    kind: Kind,
    borrowed: PhantomData<&'a ()>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Enrolment,
    Recognition,
}

impl<'a> Purpose<'a> {
    /// Creates the purpose of enrolling a person who consented, while `enrolment` is in progress.
    pub fn enrolment<T>(_enrolment: &'a T) -> Self {
        Self { kind: Kind::Enrolment, borrowed: PhantomData }
    }

    /// Creates the purpose of recognising customers, while `window` is open.
    pub fn recognition<T>(_window: &'a T) -> Self {
        Self { kind: Kind::Recognition, borrowed: PhantomData }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }
}
