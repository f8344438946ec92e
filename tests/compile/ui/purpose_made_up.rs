use instored_vision::Purpose;

fn main() {
    let _ = Purpose::recognition(&());
}
