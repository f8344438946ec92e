use instored_domain::Consent;

fn main() {
    let _ = Consent::default();
}
