//! Calibration: maps the target FPIR and the gallery size to a cosine threshold.
//!
//! A stranger is compared with every customer, so the threshold rises with the size of the gallery. The
//! relation is measured for each embedder by `instored evaluate calibrate` and stored as a table of
//! thresholds, without any biometric data.

use serde::{Deserialize, Serialize};

/// Measured relation of gallery size, false-positive identification rate (FPIR) and threshold. Each
/// probe is a single picture.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct Calibration(Table);

/// Table of a calibration in a model's manifest.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    people: u32,
    customers: Vec<u32>,
    fpir: Vec<f64>,
    thresholds: Vec<Vec<f32>>,
}

/// Gallery size from which the threshold rises. Smaller galleries use the threshold of this size.
///
/// A calibration is valid for the population that it was measured on. In a small gallery, such as a
/// family, customers may resemble each other more. The margin limits false positives there.
const GALLERY_SIZE_MIN: usize = 20;

/// Error of a table that is not a valid calibration.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The gallery sizes are invalid.
    #[error("`customers` must have at least two values, in ascending order, the first at least 1")]
    Customers,
    /// The rates are invalid.
    #[error("`fpir` must have at least two values between 0 and 1, in descending order")]
    Rates,
    /// The number of rows or columns is wrong.
    #[error(
        "`thresholds` must have a row for each value of `customers` and a column for each value of \
         `fpir`"
    )]
    Shape,
    /// A threshold is not a cosine, or the thresholds are not monotonic.
    #[error(
        "`thresholds` must be from -1 to 1 and must not decrease with more customers or with a lower \
         FPIR"
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
        let is_rate = |f: &f64| *f > 0.0 && *f < 1.0;
        if fpir.len() < 2 || !fpir.iter().all(is_rate) || !fpir.is_sorted_by(|a, b| a > b) {
            return Err(CalibrationError::Rates);
        }
        if thresholds.len() != customers.len() || thresholds.iter().any(|r| r.len() != fpir.len()) {
            return Err(CalibrationError::Shape);
        }
        let are_cosines = thresholds.iter().flatten().all(|t| (-1.0..=1.0).contains(t));
        let rows_rise = thresholds.iter().all(|row| row.is_sorted());
        let columns_rise =
            thresholds.windows(2).all(|pair| pair[0].iter().zip(&pair[1]).all(|(a, b)| a <= b));
        if !(are_cosines && rows_rise && columns_rise) {
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
    /// Creates a calibration that was measured on `people` subjects. `thresholds` has a row for each
    /// gallery size in `customers`, in ascending order, with a cosine for each rate in `fpir` (0 to 1),
    /// in descending order.
    ///
    /// # Errors
    /// If the table is incomplete, or a threshold decreases with more customers or a lower rate.
    pub fn new(
        people: u32,
        customers: Vec<u32>,
        fpir: Vec<f64>,
        thresholds: Vec<Vec<f32>>,
    ) -> Result<Self, CalibrationError> {
        Table { people, customers, fpir, thresholds }.try_into()
    }

    /// Returns the cosine threshold for a gallery of `customers`. Galleries of fewer than 20
    /// customers use the threshold for 20.
    pub fn gallery_threshold(&self, fpir: f64, customers: usize) -> f32 {
        self.threshold(fpir, customers.max(GALLERY_SIZE_MIN))
    }

    /// Returns the cosine threshold at which the FPIR in a gallery of `customers` is `fpir`. It never
    /// decreases with more customers or a lower FPIR.
    ///
    /// Between the entries of the table, the threshold is interpolated over the logarithms of FPIR
    /// and gallery size. Outside the table, the threshold is on the side of a lower FPIR:
    /// - Larger galleries: false positives for different customers are assumed to be disjoint
    ///   events (union bound).
    /// - Rates below the lowest: the threshold is extrapolated from the two lowest rates
    ///   (exponential tail).
    /// - Rates above the highest: the threshold is that of the highest rate.
    pub fn threshold(&self, fpir: f64, customers: usize) -> f32 {
        let Table { customers: sizes, thresholds, .. } = &self.0;
        let measured = f64::from(sizes[sizes.len() - 1]);
        let wanted_size = (customers.max(1) as f64).max(f64::from(sizes[0]));
        let (size, fpir) = if wanted_size > measured {
            (measured, fpir * measured / wanted_size)
        } else {
            (wanted_size, fpir)
        };
        let upper = sizes.partition_point(|s| f64::from(*s) < size).clamp(1, sizes.len() - 1);
        let [low, high] = [upper - 1, upper].map(|i| self.threshold_in_row(&thresholds[i], fpir));
        let [from, to] = [upper - 1, upper].map(|i| f64::from(sizes[i]).ln());
        interpolate(size.ln(), (from, low), (to, high)).clamp(-1.0, 1.0) as f32
    }

    /// Returns the threshold for a rate in one row of the table.
    fn threshold_in_row(&self, row: &[f32], fpir: f64) -> f64 {
        let rates = &self.0.fpir;
        // A rate that is not above 0, or NaN, yields the highest threshold.
        let fpir = if fpir > 0.0 { fpir.min(rates[0]) } else { f64::MIN_POSITIVE };
        let right = rates.partition_point(|f| *f >= fpir).clamp(1, rates.len() - 1);
        let point = |i: usize| (rates[i].ln(), f64::from(row[i]));
        interpolate(fpir.ln(), point(right - 1), point(right))
    }
}

/// Returns the value at `x` of the straight line through two points.
fn interpolate(x: f64, (x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> f64 {
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
    fn thresholds_equal_table_entries_and_are_interpolated() {
        let calibration = calibration();
        for (i, customers) in [1, 10, 100].into_iter().enumerate() {
            for (j, fpir) in [0.1, 0.01, 0.001].into_iter().enumerate() {
                let expected = table().thresholds[i][j];
                assert!((calibration.threshold(fpir, customers) - expected).abs() < 1e-6);
            }
        }
        // Midpoints on the logarithmic axes: of gallery size only, then of gallery size and FPIR.
        assert!((calibration.threshold(0.01, 31) - 0.35).abs() < 0.001);
        assert!((calibration.threshold(0.01 * 10f64.powf(-0.5), 31) - 0.40).abs() < 0.001);
    }

    #[test]
    fn thresholds_outside_the_table_do_not_decrease() {
        let calibration = calibration();
        // Ten times as many customers are equivalent to a tenth of the rate.
        assert!(
            (calibration.threshold(0.01, 1000) - calibration.threshold(0.001, 100)).abs() < 1e-6
        );
        assert!((calibration.threshold(0.0001, 100) - 0.6).abs() < 1e-5);
        assert!((calibration.threshold(0.9, 1) - 0.1).abs() < 1e-6);
        assert_eq!(calibration.threshold(0.01, 0), calibration.threshold(0.01, 1));
        for invalid in [0.0, -1.0, f64::NAN] {
            assert!((calibration.threshold(invalid, 10) - 1.0).abs() < 1e-6, "{invalid}");
        }
    }

    #[test]
    fn threshold_rises_with_gallery_size_and_lower_rate() {
        let calibration = calibration();
        let rates: Vec<f64> = (0..80).map(|i| 0.5 * 0.85f64.powi(i)).collect();
        for customers in 1..400 {
            for pair in rates.windows(2) {
                assert!(
                    calibration.threshold(pair[0], customers)
                        <= calibration.threshold(pair[1], customers)
                );
                assert!(
                    calibration.threshold(pair[0], customers)
                        <= calibration.threshold(pair[0], customers + 1) + 1e-6
                );
            }
        }
    }

    #[test]
    fn decreasing_or_incomplete_table_is_rejected() {
        let is_rejected = |change: fn(&mut Table)| {
            let mut table = table();
            change(&mut table);
            Calibration::try_from(table).is_err()
        };
        assert!(!is_rejected(|_| {}));
        assert!(is_rejected(|t| t.thresholds[1][0] = 0.05));
        assert!(is_rejected(|t| t.thresholds[0][2] = 0.15));
        assert!(is_rejected(|t| t.thresholds[0][2] = f32::NAN));
        assert!(is_rejected(|t| t.thresholds[2][2] = 1.5));
        assert!(is_rejected(|t| t.thresholds[2].truncate(2)));
        assert!(is_rejected(|t| t.thresholds.truncate(2)));
        assert!(is_rejected(|t| t.customers[0] = 0));
        assert!(is_rejected(|t| t.customers[1] = 100));
        assert!(is_rejected(|t| t.fpir[2] = 0.0));
        assert!(is_rejected(|t| t.fpir[1] = 0.2));
    }

    #[test]
    fn calibration_is_unchanged_by_toml_round_trip() {
        let toml = toml::to_string(&calibration()).unwrap();
        assert_eq!(toml::from_str::<Calibration>(&toml).unwrap(), calibration());
        assert!(toml::from_str::<Calibration>(&toml.replace("people", "persons")).is_err());
    }
}
