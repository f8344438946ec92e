//! Calculation of medians.

/// Sorts `values` and returns their lower and upper median, or `None` if `values` is empty. Both
/// medians are the same element if the number of values is odd.
pub fn medians<T: Ord + Copy>(values: &mut [T]) -> Option<(T, T)> {
    values.sort_unstable();
    let lower = values.get(values.len().checked_sub(1)? / 2)?;
    Some((*lower, values[values.len() / 2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_the_middle_elements() {
        assert_eq!(medians::<i32>(&mut []), None);
        assert_eq!(medians(&mut [3]), Some((3, 3)));
        assert_eq!(medians(&mut [3, 1]), Some((1, 3)));
        assert_eq!(medians(&mut [9, 1, 4]), Some((4, 4)));
        assert_eq!(medians(&mut [9, 1, 4, 2]), Some((2, 4)));
    }
}
