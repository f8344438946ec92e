//! Consent as a type: no embedding without a reason to make one.

use std::marker::PhantomData;

/// Why a face is turned into an embedding. It cannot be made outside this crate, and inside only by
/// what it lasts as long as: an enrolment under way, or an open recognition window.
///
/// ```compile_fail
/// let forged = instored::vision::Purpose::enrolment(&());
/// ```
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
    /// Somebody pressed the button and is being enrolled; `enrolment` is the one under way.
    pub(crate) fn enrolment<T>(_enrolment: &'a T) -> Self {
        Self { kind: Kind::Enrolment, lasts: PhantomData }
    }

    /// Recognition is open; `window` is what keeps it open.
    pub(crate) fn recognition<T>(_window: &'a T) -> Self {
        Self { kind: Kind::Recognition, lasts: PhantomData }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }
}
