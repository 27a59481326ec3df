//! Quantities of CPU and memory.
//!
//! Owns the reading of `100m`, `1.5`, `64Mi`, `1e3` into a number that can be compared.

/// Billionths of a unit; `None` when the text is no quantity or is beyond all reason.
pub(in crate::reconcile) fn billionths(text: &str) -> Option<u128> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || number.len() > 20 || fraction.len() > 9 {
        return None;
    }
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let fraction: u128 = format!("{fraction:0<9}").parse().ok()?;
    let value = whole.checked_mul(1_000_000_000)?.checked_add(fraction)?;
    scale(value, suffix)
}

fn scale(value: u128, suffix: &str) -> Option<u128> {
    let factor: u128 = match suffix {
        "n" => return Some(value / 1_000_000_000),
        "u" => return Some(value / 1_000_000),
        "m" => return Some(value / 1_000),
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "P" => 1_000_000_000_000_000,
        "E" => 1_000_000_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "Pi" => 1 << 50,
        "Ei" => 1 << 60,
        _ => 10_u128.checked_pow(exponent(suffix)?)?,
    };
    value.checked_mul(factor)
}

fn exponent(suffix: &str) -> Option<u32> {
    let digits = suffix.strip_prefix(['e', 'E'])?;
    digits.strip_prefix('+').unwrap_or(digits).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::billionths;

    #[test]
    fn units_are_read_as_kubernetes_reads_them() {
        let unit = 1_000_000_000;
        for (text, expected) in [
            ("1", unit),
            ("100m", unit / 10),
            ("1.5", unit * 3 / 2),
            (".5", unit / 2),
            ("2e3", unit * 2000),
            ("64Mi", 64 * 1024 * 1024 * unit),
            ("1k", 1000 * unit),
            ("0", 0),
        ] {
            assert_eq!(billionths(text), Some(expected), "{text}");
        }
        for bad in [
            "",
            ".",
            "m",
            "1 Gi",
            "-1",
            "1.2.3",
            "1GB",
            "99999999999999999999Ei",
            "1e99",
        ] {
            assert_eq!(billionths(bad), None, "{bad}");
        }
    }
}
