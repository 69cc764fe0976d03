//! Compiled rules that are in use, so that a reload compiles only rules that changed.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Engine, Rule, RuleError};

/// Compiled rules by what they were compiled from.
#[derive(Debug, Default)]
pub struct Library(Mutex<Vec<(Vec<Rule>, Weak<Engine>)>>);

impl Library {
    /// The engine of these rules: the one that is in use, or one that is compiled now.
    ///
    /// # Errors
    /// Those of [`Engine::new`].
    pub fn get(&self, rules: &[Rule]) -> Result<Arc<Engine>, Vec<RuleError>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, engine)| engine.strong_count() > 0);
        if let Some(engine) = known.iter().find(|(of, _)| of == rules).and_then(|(_, engine)| engine.upgrade()) {
            return Ok(engine);
        }
        let engine = Arc::new(Engine::new(rules.to_vec())?);
        known.push((rules.to_vec(), Arc::downgrade(&engine)));
        Ok(engine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::RuleFile;

    #[test]
    fn equal_rules_are_compiled_once_while_they_are_in_use() {
        let library = Library::default();
        let rules =
            RuleFile::parse("[[rule]]\nid = \"a\"\nclass = \"custom\"\nscore = 5\nabout = \"a\"\nany = [\"abc\"]\n");
        let rules = rules.expect("rules").rule;
        let first = library.get(&rules).expect("compiled");
        assert!(Arc::ptr_eq(&first, &library.get(&rules).expect("compiled")));
        assert!(!Arc::ptr_eq(&first, &library.get(&[]).expect("compiled")));
        drop(first);
        library.get(&[]).expect("compiled");
        assert_eq!(library.0.lock().expect("a lock").len(), 1);
    }
}
