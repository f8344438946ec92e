//! People in front of the camera, and the events of their recognition.

use std::collections::{BTreeMap, VecDeque};

use instored_controller::{Event, VisionCommand};
use instored_domain::{
    CameraState, CustomerId, Embedding, EnrolmentFailure, RecognitionEvent, TrackId,
};

/// Number of people who come to the shop.
pub const PEOPLE: usize = 7;

/// Recognition with its queues. Only people, track numbers and camera state survive a restart.
pub struct Camera {
    pub people: Vec<Person>,
    pub is_streaming: bool,
    /// Commands that were not executed yet.
    pub commands: VecDeque<VisionCommand>,
    /// Events that the main loop has not taken yet.
    pub events: VecDeque<Event>,
    gallery: BTreeMap<CustomerId, usize>,
    is_enrolling: bool,
    is_on_request: bool,
    /// True while faces may be recognised in the mode `on-request`.
    is_window_open: bool,
    reported: Vec<CustomerId>,
    has_reported_face: bool,
    tracks: u64,
}

/// One person.
#[derive(Clone, Default)]
pub struct Person {
    pub is_in_view: bool,
    track: u64,
    visit: Option<(CustomerId, Visit)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Visit {
    Arrived,
    Enrolled,
    Dismissed,
}

impl Camera {
    /// Creates a camera. If `is_on_request`, faces are recognised only after a request.
    pub fn new(is_on_request: bool) -> Self {
        let mut camera = Self {
            people: vec![Person::default(); PEOPLE],
            is_streaming: true,
            commands: VecDeque::new(),
            events: VecDeque::new(),
            gallery: BTreeMap::new(),
            is_enrolling: false,
            is_on_request,
            is_window_open: false,
            reported: Vec::new(),
            has_reported_face: false,
            tracks: 0,
        };
        camera.report_streaming();
        camera
    }

    /// Starts again, with the gallery that the vault contains.
    pub fn restart(&mut self, gallery: impl IntoIterator<Item = (CustomerId, usize)>) {
        let people = std::mem::take(&mut self.people).into_iter();
        let people = people.map(|person| Person { visit: None, ..person }).collect();
        let is_streaming = self.is_streaming;
        *self = Self { people, tracks: self.tracks, is_streaming, ..Self::new(self.is_on_request) };
        self.events.clear();
        self.gallery = gallery.into_iter().collect();
        self.report_streaming();
    }

    fn report_streaming(&mut self) {
        let state =
            if self.is_streaming { CameraState::Streaming } else { CameraState::Unavailable };
        self.events.push_back(Event::CameraStateChanged(state));
    }

    pub fn set_streaming(&mut self, is_streaming: bool) {
        if self.is_streaming != is_streaming {
            self.is_streaming = is_streaming;
            self.report_streaming();
        }
    }

    pub fn enter(&mut self, person: usize) {
        self.tracks += 1;
        let track = self.tracks;
        let person = &mut self.people[person % PEOPLE];
        if !person.is_in_view {
            *person = Person { is_in_view: true, track, visit: None };
        }
    }

    pub fn leave(&mut self, person: usize) {
        let person = &mut self.people[person % PEOPLE];
        person.is_in_view = false;
        let visit = person.visit.take();
        if let Some((customer, Visit::Arrived)) = visit {
            self.push(RecognitionEvent::Left(customer));
        }
    }

    fn push(&mut self, event: RecognitionEvent) {
        let delivered = std::time::Duration::ZERO;
        self.events.push_back(Event::Recognition { event, delivered });
    }

    /// Executes the commands, and processes a frame.
    pub fn run(&mut self) {
        while let Some(command) = self.commands.pop_front() {
            self.execute(command);
        }
        if self.is_streaming {
            self.recognise();
        }
        self.report_changes();
    }

    fn execute(&mut self, command: VisionCommand) {
        match command {
            VisionCommand::OpenRecognitionWindow => self.is_window_open = true,
            VisionCommand::BeginEnrolment { .. } => {
                (self.is_enrolling, self.is_window_open) = (true, false);
            }
            VisionCommand::CancelEnrolment => self.is_enrolling = false,
            VisionCommand::AddCustomer { customer, templates, track } => {
                self.gallery.insert(customer, person_of(&templates[0]));
                let is_shown = |person: &&mut Person| {
                    person.is_in_view && track == Some(TrackId(person.track))
                };
                if let Some(person) = self.people.iter_mut().find(is_shown) {
                    person.visit = Some((customer, Visit::Enrolled));
                }
            }
            VisionCommand::RemoveCustomer(customer) => {
                self.gallery.remove(&customer);
                self.dismiss(customer);
            }
            VisionCommand::DismissCustomer(customer) => self.dismiss(customer),
        }
    }

    fn dismiss(&mut self, customer: CustomerId) {
        let visits = self.people.iter_mut().filter_map(|person| person.visit.as_mut());
        visits.filter(|visit| visit.0 == customer).for_each(|visit| visit.1 = Visit::Dismissed);
    }

    fn recognise(&mut self) {
        for number in 0..PEOPLE {
            if !self.people[number].is_in_view || (self.is_on_request && !self.is_window_open) {
                continue;
            }
            if let Some((customer, visit)) = self.people[number].visit {
                if self.is_on_request && visit == Visit::Arrived {
                    self.is_window_open = false;
                    self.push(RecognitionEvent::RecognisedAgain(customer));
                }
                continue;
            }
            let mut known = self.gallery.iter().filter(|(_, person)| **person == number);
            if let Some((&customer, _)) = known.next() {
                self.people[number].visit = Some((customer, Visit::Arrived));
                self.is_window_open = false;
                self.push(RecognitionEvent::Arrived(customer));
            } else if self.is_on_request {
                self.is_window_open = false;
                self.push(RecognitionEvent::NotRecognised);
            }
        }
    }

    fn report_changes(&mut self) {
        let visits = self.people.iter().filter_map(|person| person.visit);
        let present: Vec<_> = visits
            .filter(|(_, visit)| *visit != Visit::Dismissed)
            .map(|(customer, _)| customer)
            .collect();
        if present != self.reported {
            self.reported.clone_from(&present);
            self.events.push_back(Event::PresentCustomersChanged(present));
        }
        let has_face = self.people.iter().any(|person| person.is_in_view);
        if has_face != self.has_reported_face {
            self.has_reported_face = has_face;
            self.events.push_back(Event::FaceInViewChanged(has_face));
        }
    }

    /// Captures the views of the enrolment in progress, or lets it time out.
    pub fn capture(&mut self, times_out: bool) {
        if !self.is_enrolling || !self.is_streaming {
            return;
        }
        let in_view: Vec<_> = (0..PEOPLE).filter(|n| self.people[*n].is_in_view).collect();
        let event = match *in_view {
            _ if times_out => RecognitionEvent::EnrolmentFailed(EnrolmentFailure::TimedOut),
            [] => return self.push(RecognitionEvent::LookHere),
            [person] if self.gallery.values().any(|known| *known == person) => {
                RecognitionEvent::EnrolmentFailed(EnrolmentFailure::AlreadyEnrolled)
            }
            [person] => {
                self.push(RecognitionEvent::Captured { count: 1, of: 1 });
                RecognitionEvent::Enrolled {
                    embeddings: vec![template_of(person)],
                    track: TrackId(self.people[person].track),
                    resembles: None,
                }
            }
            _ => RecognitionEvent::EnrolmentFailed(EnrolmentFailure::SeveralFaces),
        };
        self.is_enrolling = false;
        self.push(event);
    }

    pub fn suspect_attack(&mut self) {
        self.push(RecognitionEvent::PresentationAttackSuspected);
    }

    /// Returns the customers whose arrival was reported, without departed and dismissed ones.
    pub fn arrived(&self) -> Vec<CustomerId> {
        let visits = self.people.iter().filter_map(|person| person.visit);
        let arrived = visits.filter(|(_, visit)| *visit == Visit::Arrived);
        arrived.map(|(customer, _)| customer).collect()
    }

    /// Returns the customers in the gallery.
    pub fn gallery(&self) -> impl Iterator<Item = CustomerId> {
        self.gallery.keys().copied()
    }
}

/// Returns the template of a person.
fn template_of(person: usize) -> Embedding {
    Embedding::normalised(vec![person as f32, 1.0]).expect("the norm is at least 1")
}

/// Returns the person of a template.
pub fn person_of(template: &Embedding) -> usize {
    (template.values()[0] / template.values()[1]).round() as usize
}
