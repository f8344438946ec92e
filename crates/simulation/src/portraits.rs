//! Portraits for the demo and the tests; `portraits/CREDITS.md` contains their credits.

/// An image file of the folder `portraits`.
#[derive(Clone, Copy, Debug)]
pub struct Portrait {
    /// The file's name.
    pub file: &'static str,
    /// The file's bytes: JPEG or PNG.
    pub bytes: &'static [u8],
}

/// Includes an image file of the folder `portraits`.
macro_rules! portrait {
    ($file:literal) => {
        Portrait { file: $file, bytes: include_bytes!(concat!("../portraits/", $file)) }
    };
}

/// Person A in 2014.
pub const PERSON_A_1: Portrait = portrait!("person_a_1.jpg");
/// Person A in 2025.
pub const PERSON_A_2: Portrait = portrait!("person_a_2.jpg");
/// Person B in 2018.
pub const PERSON_B_1: Portrait = portrait!("person_b_1.jpg");
/// Person B in 2022.
pub const PERSON_B_2: Portrait = portrait!("person_b_2.jpg");
/// A third person.
pub const IMPOSTOR_1: Portrait = portrait!("impostor_1.jpg");
/// A fourth person.
pub const IMPOSTOR_2: Portrait = portrait!("impostor_2.jpg");
