//! Budgets as they are written on the command line: a cost, or a share of the trace.

use std::fmt;
use std::str::FromStr;

/// A budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// This much cost.
    Cost(u64),
    /// This many percent of the cost of the trace's distinct keys.
    Percent(f64),
}

/// Why a text is no budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetError {
    /// Neither a whole number nor a percentage.
    NotABudget,
    /// Nothing fits into nothing.
    Zero,
    /// More than everything.
    Above100Percent,
}

impl Budget {
    /// The budget for a trace whose distinct keys cost this much in all: at least 1.
    pub fn resolve(self, distinct_cost: u64) -> u64 {
        match self {
            Self::Cost(cost) => cost,
            Self::Percent(percent) => ((distinct_cost as f64 * percent / 100.0).round() as u64).max(1),
        }
    }
}

/// The budgets in their order, each once.
pub fn unique(budgets: &[Budget]) -> Vec<Budget> {
    let mut unique: Vec<Budget> = Vec::new();
    for budget in budgets {
        if !unique.contains(budget) {
            unique.push(*budget);
        }
    }
    unique
}

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let text = text.trim();
        if let Some(percent) = text.strip_suffix('%') {
            return match percent.trim().parse::<f64>() {
                Ok(percent) if percent > 100.0 => Err(BudgetError::Above100Percent),
                Ok(percent) if percent > 0.0 => Ok(Self::Percent(percent)),
                Ok(0.0) => Err(BudgetError::Zero),
                _ => Err(BudgetError::NotABudget),
            };
        }
        match text.replace('_', "").parse() {
            Ok(0) => Err(BudgetError::Zero),
            Ok(cost) => Ok(Self::Cost(cost)),
            Err(_) => Err(BudgetError::NotABudget),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cost(cost) => cost.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotABudget => {
                "a budget is a whole number (1000), or a percentage of the distinct cost (5%)"
            }
            Self::Zero => "a budget must be above zero",
            Self::Above100Percent => "a budget above 100% holds no more than 100%",
        })
    }
}

impl std::error::Error for BudgetError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_costs_or_percentages() {
        assert_eq!("1000".parse(), Ok(Budget::Cost(1000)));
        assert_eq!("1_000".parse(), Ok(Budget::Cost(1000)));
        assert_eq!("0.5%".parse(), Ok(Budget::Percent(0.5)));
        assert_eq!("5%".parse::<Budget>().unwrap().resolve(270), 14);
        assert_eq!("0.1%".parse::<Budget>().unwrap().resolve(10), 1);
        assert_eq!("5%".parse::<Budget>().unwrap().to_string(), "5%");
    }

    #[test]
    fn what_is_no_budget_says_why() {
        for (text, error) in [
            ("0", BudgetError::Zero),
            ("0%", BudgetError::Zero),
            ("101%", BudgetError::Above100Percent),
            ("-5%", BudgetError::NotABudget),
            ("NaN%", BudgetError::NotABudget),
            ("-5", BudgetError::NotABudget),
            ("lots", BudgetError::NotABudget),
            ("", BudgetError::NotABudget),
            ("99999999999999999999", BudgetError::NotABudget),
        ] {
            assert_eq!(text.parse::<Budget>(), Err(error), "{text}");
        }
    }
}
