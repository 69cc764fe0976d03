//! What a figure is to be, and whether it is.

use std::io::{self, Write};

use serde::Serialize;

/// Which side of the bound is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    AtMost,
    AtLeast,
}

/// A figure beside its bound.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Aim {
    what: String,
    side: Side,
    bound: f64,
    figure: f64,
    is_met: bool,
    #[serde(skip)]
    unit: &'static str,
}

impl Aim {
    pub(crate) fn new(what: impl Into<String>, side: Side, bound: f64, figure: f64, unit: &'static str) -> Self {
        let is_met = match side {
            Side::AtMost => figure <= bound,
            Side::AtLeast => figure >= bound,
        };
        Self { what: what.into(), side, bound, figure, is_met, unit }
    }

    /// A ratio that is to be no more.
    pub(crate) fn at_most(what: impl Into<String>, bound: f64, figure: f64) -> Self {
        Self::new(what, Side::AtMost, bound, figure, "x")
    }

    /// A ratio that is to be no less.
    pub(crate) fn at_least(what: impl Into<String>, bound: f64, figure: f64) -> Self {
        Self::new(what, Side::AtLeast, bound, figure, "x")
    }

    /// One row of a table with four columns.
    fn row(&self) -> String {
        let Self { what, bound, figure, unit, .. } = self;
        let sign = match self.side {
            Side::AtMost => "≤",
            Side::AtLeast => "≥",
        };
        // As many digits as it takes to see on which side it is.
        let digits = if unit == &"%" {
            3
        } else if *bound >= 20.0 {
            1
        } else {
            2
        };
        let verdict = if self.is_met { "met" } else { "**missed**" };
        format!("| {what} | {sign} {bound}{unit} | {figure:.digits$}{unit} | {verdict} |")
    }
}

/// All of them as a table; nothing where there are none.
pub(crate) fn print(aims: &[Aim], out: &mut dyn Write) -> io::Result<()> {
    if aims.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| aim | | here | |\n|---|--:|--:|---|")?;
    aims.iter().try_for_each(|aim| writeln!(out, "{}", aim.row()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_is_not_there_meets_nothing() {
        for (aim, is_met) in [
            (Aim::at_most("a", 1.1, 1.1), true),
            (Aim::at_most("a", 1.1, 1.11), false),
            (Aim::at_least("a", 2.2, 2.2), true),
            (Aim::at_least("a", 2.2, 2.1), false),
            (Aim::at_most("a", 1.1, f64::NAN), false),
            (Aim::at_least("a", 1.1, f64::NAN), false),
        ] {
            assert_eq!(aim.is_met, is_met, "{aim:?}");
        }
        assert_eq!(Aim::at_most("CPU", 1.1, 1.478).row(), "| CPU | ≤ 1.1x | 1.48x | **missed** |");
    }
}
