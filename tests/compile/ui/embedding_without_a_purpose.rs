use instored::domain::Embedding;
use instored::vision::{Embedder, Picture};

fn embed(embedder: &Embedder, face: &Picture) -> Option<Embedding> {
    embedder.embed(face).ok()?
}

fn main() {}
