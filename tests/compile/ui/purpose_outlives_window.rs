use instored_vision::Purpose;

fn purpose() -> Purpose<'static> {
    let window = String::new();
    Purpose::recognition(&window)
}

fn main() {
    let _ = purpose();
}
