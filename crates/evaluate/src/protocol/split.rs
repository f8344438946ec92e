//! Galleries and probes for open-set identification.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Pictures, read_rows};
use crate::EvaluateError;

/// Trials with separate galleries.
#[derive(Debug)]
pub struct Split {
    /// All pictures, each once.
    pub pictures: Vec<PathBuf>,
    /// Trials in the order of their first line.
    pub trials: Vec<Trial>,
}

/// Gallery with its probes. Pictures are given by their indices.
#[derive(Debug, Default)]
pub struct Trial {
    /// Enrolled people.
    pub gallery: Vec<EnrolledPerson>,
    /// Probes of enrolled people: index in the gallery, and picture.
    pub mated: Vec<(usize, usize)>,
    /// Probes of people who are not enrolled.
    pub non_mated: Vec<usize>,
    /// Attacks that show enrolled people.
    pub attacks: Vec<usize>,
}

/// Enrolled person.
#[derive(Debug)]
pub struct EnrolledPerson {
    /// Name in the file.
    pub person: String,
    /// Pictures of the enrolment.
    pub pictures: Vec<usize>,
}

/// Line of the file.
#[derive(Deserialize)]
struct Row {
    trial: Option<String>,
    role: Role,
    person: String,
    image: PathBuf,
}

/// Role of a picture in its trial.
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
    /// If the file cannot be read, a line is invalid, or the role of a probe contradicts the gallery
    /// of its trial; the message names the line.
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let rows = read_rows::<Row>(path)?;
        let mut split = Self { pictures: Vec::new(), trials: Vec::new() };
        let mut pictures = Pictures::default();
        let mut trial_indices = HashMap::new();
        let mut person_indices = HashMap::new();
        for (_, row) in &rows {
            let trial = *trial_indices.entry(&row.trial).or_insert_with(|| {
                split.trials.push(Trial::default());
                split.trials.len() - 1
            });
            if row.role == Role::Enrol {
                let gallery = &mut split.trials[trial].gallery;
                let person = *person_indices.entry((trial, &row.person)).or_insert_with(|| {
                    gallery
                        .push(EnrolledPerson { person: row.person.clone(), pictures: Vec::new() });
                    gallery.len() - 1
                });
                gallery[person].pictures.push(pictures.index_of(row.image.clone()));
            }
        }
        for (line, row) in &rows {
            let trial_index = trial_indices[&row.trial];
            let person = person_indices.get(&(trial_index, &row.person)).copied();
            let picture = pictures.index_of(row.image.clone());
            let trial = &mut split.trials[trial_index];
            trial.add_probe(row.role, person, picture).map_err(|contradiction| {
                EvaluateError::Protocol {
                    path: path.to_owned(),
                    reason: format!("line {line}: {} {contradiction}", row.person),
                }
            })?;
        }
        split.pictures = pictures.paths;
        Ok(split)
    }

    /// Reduces each gallery to its first `people`. The mated probes of all other people become
    /// non-mated. Attacks are removed, because a trial does not store the person that an attack shows.
    pub fn reduce_galleries(&mut self, people: usize) {
        for trial in &mut self.trials {
            trial.gallery.truncate(people);
            trial.attacks.clear();
            let (mated, not_enrolled): (Vec<_>, Vec<_>) =
                trial.mated.iter().partition(|(person, _)| *person < people);
            trial.mated = mated;
            trial
                .non_mated
                .extend(not_enrolled.into_iter().map(|(_, picture): (usize, _)| picture));
        }
    }

    /// Returns true if a trial has attacks.
    pub fn has_attacks(&self) -> bool {
        self.trials.iter().any(|trial| !trial.attacks.is_empty())
    }
}

impl Trial {
    /// Adds a probe, or returns the contradiction between its role and the gallery.
    fn add_probe(
        &mut self,
        role: Role,
        person: Option<usize>,
        picture: usize,
    ) -> Result<(), &'static str> {
        match (role, person) {
            (Role::Enrol, _) => {}
            (Role::ProbeKnown, Some(person)) => self.mated.push((person, picture)),
            (Role::ProbeUnknown, None) => self.non_mated.push(picture),
            (Role::ProbeSpoof, Some(_)) => self.attacks.push(picture),
            (Role::ProbeUnknown, Some(_)) => {
                return Err("is enrolled in this trial, so the role cannot be probe_unknown");
            }
            (Role::ProbeKnown | Role::ProbeSpoof, None) => {
                return Err("is not enrolled in this trial");
            }
        }
        Ok(())
    }
}
