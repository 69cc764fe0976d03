//! As much of callgrind's output format as counting needs: how much a function costs, with all that it calls.

use std::collections::HashMap;

use crate::fault::Fault;

/// The costs of a run, by function.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    /// By the number that stands for a name.
    names: HashMap<u32, String>,
    own: HashMap<u32, u64>,
    /// What calls cost, by who makes them. Those of a function to itself are not here.
    called: HashMap<u32, u64>,
}

impl Profile {
    /// Reads a dump of a profile with one event, instructions.
    ///
    /// # Errors
    /// A line that has another format.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let mut profile = Self::default();
        let (mut own, mut callee, mut is_call) = (0, 0, false);
        for line in text.lines() {
            let fault = || Fault::new(format!("callgrind wrote what is not known here: {line}"));
            if let Some(name) = line.strip_prefix("fn=") {
                own = profile.number(name).ok_or_else(fault)?;
            } else if let Some(name) = line.strip_prefix("cfn=") {
                callee = profile.number(name).ok_or_else(fault)?;
            } else if line.starts_with("calls=") {
                is_call = true;
            } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
                // The place in the source, and the cost, where there is one.
                let cost = line.split(' ').nth(1).map_or(Ok(0), str::parse).map_err(|_| fault())?;
                let is_to_itself = is_call && callee == own;
                let costs = if is_call { &mut profile.called } else { &mut profile.own };
                if !is_to_itself {
                    *costs.entry(own).or_default() += cost;
                }
                is_call = false;
            }
        }
        Ok(profile)
    }

    /// Reads `(3) name`, or `(3)` for a name that was told before.
    fn number(&mut self, text: &str) -> Option<u32> {
        let (number, name) = text.strip_prefix('(')?.split_once(')')?;
        let number = number.parse().ok()?;
        if let Some(name) = name.strip_prefix(' ') {
            self.names.insert(number, name.to_owned());
        }
        Some(number)
    }

    /// What all functions cost.
    pub(crate) fn total(&self) -> u64 {
        self.own.values().sum()
    }

    /// What the functions cost whose names end so, with all that they call; none where there is no such function.
    pub(crate) fn inclusive(&self, ending: &str) -> Option<u64> {
        let cost = |number| self.own.get(number).unwrap_or(&0) + self.called.get(number).unwrap_or(&0);
        let costs = self.names.iter().filter(|(_, name)| name.ends_with(ending)).map(|(number, _)| cost(number));
        costs.reduce(|one, other| one + other).filter(|sum| *sum > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
events: Ir
fn=(1) app::main
16 400
cfn=(2) app::work
calls=3 20
16 60
+2 5

fn=(2)
20 30
cfn=(2)
calls=1 20
* 7
fl=(4) a.rs
cfn=(3) alloc
calls=3 1
21 30
fn=(3)
1 30
";

    #[test]
    fn costs_are_a_functions_own_and_what_it_calls_but_for_itself() {
        let profile = Profile::parse(TEXT).expect("a profile");
        assert_eq!(profile.total(), 465);
        assert_eq!(profile.inclusive("app::main"), Some(465));
        assert_eq!(profile.inclusive("::work"), Some(60));
        assert_eq!(profile.inclusive("nothing"), None);
        assert!(Profile::parse("fn=main").is_err());
    }
}
