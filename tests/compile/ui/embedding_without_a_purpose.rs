use instored_domain::Embedding;
use instored_imaging::Picture;
use instored_vision::Embedder;

fn embed(embedder: &Embedder, face: &Picture) -> Option<Embedding> {
    embedder.embed(face).ok()?
}

fn main() {}
