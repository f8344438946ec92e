use instored::vision::Purpose;

fn main() {
    let _ = Purpose::recognition(&());
}
