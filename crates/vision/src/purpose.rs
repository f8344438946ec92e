//! Consent as a type: no embedding without a reason to make one.

use std::marker::PhantomData;

/// Reason for which a face is turned into an embedding. It borrows the enrolment or the recognition
/// window that it belongs to, and cannot outlive it. Only `recognition` and `evaluate` create one:
/// `tests/compile` searches all other crates for a call of these constructors.
#[derive(Debug)]
pub struct Purpose<'a> {
    kind: Kind,
    lasts: PhantomData<&'a ()>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Enrolment,
    Recognition,
}

impl<'a> Purpose<'a> {
    /// Enrolment of a person who consented, while `enrolment` is in progress.
    pub fn enrolment<T>(_enrolment: &'a T) -> Self {
        Self { kind: Kind::Enrolment, lasts: PhantomData }
    }

    /// Recognition of customers, while `window` is open.
    pub fn recognition<T>(_window: &'a T) -> Self {
        Self { kind: Kind::Recognition, lasts: PhantomData }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }
}
