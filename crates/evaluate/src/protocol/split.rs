//! Open-set identification: who is enrolled, and who comes by. Columns `role` (enrol, probe_known,
//! probe_unknown or probe_spoof), `person`, `image` and, if there are several, `trial`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Pictures, rows};
use crate::EvaluateError;

/// Trials, each with a gallery of its own.
#[derive(Debug)]
pub struct Split {
    /// Every picture that occurs, once.
    pub pictures: Vec<PathBuf>,
    /// The trials, in the order in which the file names them first.
    pub trials: Vec<Trial>,
}

/// A gallery and those who come by. Pictures are given by their places.
#[derive(Debug, Default)]
pub struct Trial {
    /// Who is enrolled.
    pub gallery: Vec<Enrolled>,
    /// Pictures of people who are enrolled, each with the person's place in the gallery.
    pub known: Vec<(usize, usize)>,
    /// Pictures of people who are not enrolled.
    pub strangers: Vec<usize>,
    /// Attacks with the likeness of people who are enrolled.
    pub spoofs: Vec<usize>,
}

/// One person in the gallery.
#[derive(Debug)]
pub struct Enrolled {
    /// Their name in the protocol.
    pub person: String,
    /// The pictures they enrolled with.
    pub pictures: Vec<usize>,
}

#[derive(Deserialize)]
struct Row {
    trial: Option<String>,
    role: Role,
    person: String,
    image: PathBuf,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Role {
    Enrol,
    ProbeKnown,
    ProbeUnknown,
    ProbeSpoof,
}

impl Split {
    /// Reads the split.
    ///
    /// # Errors
    /// When the file cannot be read, a line is wrong, a known probe is of a person who is not
    /// enrolled in its trial, or an unknown one of a person who is; the message names the line.
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let rows = rows::<Row>(path)?;
        let mut split = Self { pictures: Vec::new(), trials: Vec::new() };
        let mut pictures = Pictures::default();
        let mut trials = HashMap::new();
        let mut places = HashMap::new();
        for (_, row) in &rows {
            let trial = *trials.entry(&row.trial).or_insert_with(|| {
                split.trials.push(Trial::default());
                split.trials.len() - 1
            });
            if row.role == Role::Enrol {
                let gallery = &mut split.trials[trial].gallery;
                let place = *places.entry((trial, &row.person)).or_insert_with(|| {
                    gallery.push(Enrolled { person: row.person.clone(), pictures: Vec::new() });
                    gallery.len() - 1
                });
                gallery[place].pictures.push(pictures.place(row.image.clone()));
            }
        }
        for (line, row) in &rows {
            let wrong = |what: &str| EvaluateError::Protocol {
                path: path.to_owned(),
                reason: format!("line {line}: {} is {what} in this trial", row.person),
            };
            let place = trials[&row.trial];
            let trial = &mut split.trials[place];
            let enrolled = places.get(&(place, &row.person)).copied();
            let picture = pictures.place(row.image.clone());
            match (row.role, enrolled) {
                (Role::Enrol, _) => {}
                (Role::ProbeKnown, Some(person)) => trial.known.push((person, picture)),
                (Role::ProbeUnknown, None) => trial.strangers.push(picture),
                (Role::ProbeSpoof, Some(_)) => trial.spoofs.push(picture),
                (Role::ProbeUnknown, Some(_)) => {
                    return Err(wrong("no stranger: they are enrolled"));
                }
                (_, None) => return Err(wrong("not enrolled")),
            }
        }
        split.pictures = pictures.paths;
        Ok(split)
    }

    /// The same people at a smaller box: only the first `people` of each gallery are enrolled, and
    /// the known probes of all others become strangers. Spoofs are left out, because the protocol
    /// does not say in which of them somebody is shown who still is enrolled.
    pub fn shrink(&mut self, people: usize) {
        for trial in &mut self.trials {
            trial.gallery.truncate(people);
            trial.spoofs.clear();
            let (known, strangers) = trial.known.iter().partition(|(person, _)| *person < people);
            trial.known = known;
            let strangers: Vec<(usize, usize)> = strangers;
            trial.strangers.extend(strangers.into_iter().map(|(_, picture)| picture));
        }
    }

    /// Whether there are attacks.
    pub fn has_spoofs(&self) -> bool {
        self.trials.iter().any(|trial| !trial.spoofs.is_empty())
    }
}
