//! From the rate of strangers greeted that the operator wants to the cosine that brings it about.
//!
//! The more customers there are, the more chances a stranger has to look like one of them, so the
//! threshold has to rise with the gallery. How far was measured for each embedder; `instored evaluate
//! calibrate` measures it anew. What is kept of that are thresholds in a table, and nobody's face.

use serde::{Deserialize, Serialize};

/// The measured relation of gallery size, false positive identification rate (FPIR) and threshold.
/// It is for one picture a probe.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct Calibration(Table);

/// The table, as a model's card has it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    people: u32,
    customers: Vec<u32>,
    fpir: Vec<f64>,
    thresholds: Vec<Vec<f32>>,
}

/// A gallery smaller than this has no need of the low threshold that would be enough for it, and is
/// safer without: people who resemble each other more than those who were measured do (a calibration
/// holds for the groups of people in it) still do not pass for each other.
pub const FEWEST: usize = 20;

/// A table that is no calibration.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum CalibrationError {
    #[error("customers must rise from 1, and there must be at least two")]
    Customers,
    #[error("fpir must fall, between 1 and 0, and there must be at least two")]
    Rates,
    #[error("thresholds must have a row for each of customers and a column for each of fpir")]
    Shape,
    #[error(
        "thresholds must be cosines, and must not fall with more customers or with a lower fpir"
    )]
    Thresholds,
}

impl TryFrom<Table> for Calibration {
    type Error = CalibrationError;

    fn try_from(table: Table) -> Result<Self, CalibrationError> {
        let Table { customers, fpir, thresholds, .. } = &table;
        if customers.len() < 2 || customers[0] == 0 || !customers.is_sorted_by(|a, b| a < b) {
            return Err(CalibrationError::Customers);
        }
        let rate = |f: &f64| *f > 0.0 && *f < 1.0;
        if fpir.len() < 2 || !fpir.iter().all(rate) || !fpir.is_sorted_by(|a, b| a > b) {
            return Err(CalibrationError::Rates);
        }
        if thresholds.len() != customers.len() || thresholds.iter().any(|r| r.len() != fpir.len()) {
            return Err(CalibrationError::Shape);
        }
        let cosines = thresholds.iter().flatten().all(|t| (-1.0..=1.0).contains(t));
        let along = thresholds.iter().all(|row| row.is_sorted());
        let down = thresholds.windows(2).all(|two| two[0].iter().zip(&two[1]).all(|(a, b)| a <= b));
        if !(cosines && along && down) {
            return Err(CalibrationError::Thresholds);
        }
        Ok(Self(table))
    }
}

impl From<Calibration> for Table {
    fn from(calibration: Calibration) -> Self {
        calibration.0
    }
}

impl Calibration {
    /// What was measured on so many `people`: a row of `thresholds` (cosines) for each gallery size
    /// in `customers`, which rise, and in it a column for each rate in `fpir` (0 to 1), which fall.
    ///
    /// # Errors
    /// When the table has holes, or a threshold falls with more customers or a lower rate.
    pub fn new(
        people: u32,
        customers: Vec<u32>,
        fpir: Vec<f64>,
        thresholds: Vec<Vec<f32>>,
    ) -> Result<Self, CalibrationError> {
        Table { people, customers, fpir, thresholds }.try_into()
    }

    /// The threshold for a gallery of so many customers, which counts as one of `FEWEST` at the
    /// least.
    pub fn gallery_threshold(&self, fpir: f64, customers: usize) -> f32 {
        self.threshold(fpir, customers.max(FEWEST))
    }

    /// The cosine from which a face is a customer's, so that of strangers the share `fpir` is taken
    /// for one of `customers`. It never falls when customers rise or `fpir` falls.
    ///
    /// Between the table's entries it is interpolated over the logarithms of both. Beyond the table
    /// it errs on the side of greeting fewer strangers: more customers than were measured are taken
    /// to add chances that never coincide (the union bound), a rate below the lowest follows the
    /// tail of the two lowest (an exponential one), and above the highest rate the threshold does
    /// not sink further.
    pub fn threshold(&self, fpir: f64, customers: usize) -> f32 {
        let Table { customers: sizes, thresholds, .. } = &self.0;
        let measured = f64::from(sizes[sizes.len() - 1]);
        let wanted = (customers.max(1) as f64).max(f64::from(sizes[0]));
        let (size, fpir) =
            if wanted > measured { (measured, fpir * measured / wanted) } else { (wanted, fpir) };
        let upper = sizes.partition_point(|s| f64::from(*s) < size).clamp(1, sizes.len() - 1);
        let [low, high] = [upper - 1, upper].map(|i| self.along(&thresholds[i], fpir));
        let [from, to] = [upper - 1, upper].map(|i| f64::from(sizes[i]).ln());
        between(size.ln(), (from, low), (to, high)).clamp(-1.0, 1.0) as f32
    }

    /// The threshold for a rate in one row.
    fn along(&self, row: &[f32], fpir: f64) -> f64 {
        let rates = &self.0.fpir;
        // Also turns what is no rate at all into the strictest answer there is.
        let fpir = if fpir > 0.0 { fpir.min(rates[0]) } else { f64::MIN_POSITIVE };
        let right = rates.partition_point(|f| *f >= fpir).clamp(1, rates.len() - 1);
        let point = |i: usize| (rates[i].ln(), f64::from(row[i]));
        between(fpir.ln(), point(right - 1), point(right))
    }
}

/// The straight line through two points, at `x`.
fn between(x: f64, (x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> f64 {
    y0 + (y1 - y0) * (x - x0) / (x1 - x0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            people: 500,
            customers: vec![1, 10, 100],
            fpir: vec![0.1, 0.01, 0.001],
            thresholds: vec![vec![0.1, 0.2, 0.3], vec![0.2, 0.3, 0.4], vec![0.3, 0.4, 0.5]],
        }
    }

    fn calibration() -> Calibration {
        table().try_into().unwrap()
    }

    #[test]
    fn entries_of_the_table_come_out_as_they_are_and_others_between_them() {
        let c = calibration();
        for (i, customers) in [1, 10, 100].into_iter().enumerate() {
            for (j, fpir) in [0.1, 0.01, 0.001].into_iter().enumerate() {
                let expected = table().thresholds[i][j];
                assert!((c.threshold(fpir, customers) - expected).abs() < 1e-6);
            }
        }
        // Half way in the logarithm, in one direction and in both.
        assert!((c.threshold(0.01, 31) - 0.35).abs() < 0.001);
        assert!((c.threshold(0.01 * 10f64.powf(-0.5), 31) - 0.40).abs() < 0.001);
    }

    #[test]
    fn beyond_the_table_it_gets_stricter_and_never_more_lenient() {
        let c = calibration();
        // Ten times as many customers are like a tenth of the rate.
        assert!((c.threshold(0.01, 1000) - c.threshold(0.001, 100)).abs() < 1e-6);
        assert!((c.threshold(0.0001, 100) - 0.6).abs() < 1e-5);
        assert!((c.threshold(0.9, 1) - 0.1).abs() < 1e-6);
        assert_eq!(c.threshold(0.01, 0), c.threshold(0.01, 1));
        for nonsense in [0.0, -1.0, f64::NAN] {
            assert!((c.threshold(nonsense, 10) - 1.0).abs() < 1e-6, "nobody is greeted");
        }
    }

    #[test]
    fn the_threshold_never_falls_with_more_customers_or_a_lower_rate() {
        let c = calibration();
        let rates: Vec<f64> = (0..80).map(|i| 0.5 * 0.85f64.powi(i)).collect();
        for customers in 1..400 {
            for two in rates.windows(2) {
                assert!(c.threshold(two[0], customers) <= c.threshold(two[1], customers));
                assert!(
                    c.threshold(two[0], customers) <= c.threshold(two[0], customers + 1) + 1e-6
                );
            }
        }
    }

    #[test]
    fn a_table_that_falls_or_has_holes_is_refused() {
        let refused = |change: fn(&mut Table)| {
            let mut table = table();
            change(&mut table);
            Calibration::try_from(table).is_err()
        };
        assert!(!refused(|_| {}));
        assert!(refused(|t| t.thresholds[1][0] = 0.05));
        assert!(refused(|t| t.thresholds[0][2] = 0.15));
        assert!(refused(|t| t.thresholds[0][2] = f32::NAN));
        assert!(refused(|t| t.thresholds[2][2] = 1.5));
        assert!(refused(|t| t.thresholds[2].truncate(2)));
        assert!(refused(|t| t.thresholds.truncate(2)));
        assert!(refused(|t| t.customers[0] = 0));
        assert!(refused(|t| t.customers[1] = 100));
        assert!(refused(|t| t.fpir[2] = 0.0));
        assert!(refused(|t| t.fpir[1] = 0.2));
    }

    #[test]
    fn it_goes_into_a_card_and_comes_out_the_same() {
        let card = toml::to_string(&calibration()).unwrap();
        assert_eq!(toml::from_str::<Calibration>(&card).unwrap(), calibration());
        assert!(toml::from_str::<Calibration>(&card.replace("people", "persons")).is_err());
    }
}
