use instored::domain::Consent;

fn main() {
    let _ = Consent::default();
}
