// SPDX-License-Identifier: GPL-2.0-only
//! Arguments of the tools: `key=value` words, in any order.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};

/// The words of one command line.
pub struct Words(HashMap<String, String>);

impl Words {
    /// Takes `key=value` arguments apart; a key that the tool does not know is an error.
    pub fn parse(arguments: &[String], known: &[&str]) -> Result<Self> {
        let mut words = HashMap::new();
        for argument in arguments {
            let (key, value) = argument
                .split_once('=')
                .with_context(|| format!("'{argument}' is not key=value"))?;
            if !known.contains(&key) {
                bail!("no '{key}' here; there are {}", known.join(", "));
            }
            words.insert(key.to_owned(), value.to_owned());
        }
        Ok(Self(words))
    }

    /// A value that may be absent.
    pub fn optional(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A value that must be there.
    pub fn text(&self, key: &str) -> Result<&str> {
        self.optional(key)
            .with_context(|| format!("{key}= is missing"))
    }

    /// A number, or `default`.
    pub fn number(&self, key: &str, default: u64) -> Result<u64> {
        self.optional(key).map_or(Ok(default), |text| {
            text.parse()
                .with_context(|| format!("{key}={text} is not a number"))
        })
    }
}
