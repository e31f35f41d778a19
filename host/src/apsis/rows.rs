//! An import's file: which columns it has, and intents as its rows. Pure but for the writer it is given.
//!
//! A file has the key, one column for each attribute, and for each subscription and channel one column
//! of opt-ins and one of opt-outs, holding 1 or 0. It is imported with `clear_existing_attributes`: an
//! empty cell erases the value. So an intent's `Clear` is an empty cell; and an intent that leaves an
//! attribute as it is cannot be a row, since its cell would have to be empty (see `Row::Unsuited`).

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::consents::{ConsentPlan, ConsentStep};
use super::error::{ApsisError, Operation};
use super::inferred;
use super::limits::FILE_BYTES;
use super::profiles::Target;
use super::value::cell;
use crate::profile::{AttributeId, Intent};

const KEY: &str = "profile_key";

/// The columns of a file, bound to one target's definitions.
#[derive(Debug, Clone)]
pub struct ImportColumns {
    keyspace: String,
    /// Attribute and its current version.
    attributes: Vec<(AttributeId, String)>,
    consents: Vec<ConsentColumn>,
}

#[derive(Debug, Clone)]
struct ConsentColumn {
    step: ConsentStep,
    channel: String,
    /// The column of the address that the consent is for.
    address: String,
}

/// What became of an intent that was to be a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// It is in the file.
    Written,
    /// It cannot be a row: it leaves an attribute as it is, or names what the file has no column for.
    /// Write it by single calls.
    Unsuited,
    /// The file is as large as it may be; the intent belongs into the next one.
    Full,
}

impl Target {
    /// Columns for these attributes and consents. An attribute without a current version is an error; a
    /// consent whose channel has no address column among the attributes gets no column, and is left to
    /// single calls after the import.
    pub fn import_columns(
        &self,
        attributes: &[AttributeId],
        consents: &[ConsentStep],
    ) -> Result<ImportColumns, ApsisError> {
        let mut columns = Vec::with_capacity(attributes.len());
        for attribute in attributes {
            let version = self.scope.versions.get(attribute).ok_or_else(|| ApsisError::Setting {
                setting: "fields.attribute",
                message: format!("{attribute} has no version in use in APSIS One; map another attribute"),
            })?;
            if !columns.iter().any(|(known, _)| known == attribute) {
                columns.push((attribute.clone(), version.clone()));
            }
        }
        let mut steps: Vec<ConsentColumn> = Vec::with_capacity(consents.len());
        for step in consents {
            let address = inferred::address_attribute(step.channel);
            let position = columns.iter().position(|(attribute, _)| attribute.0 == address);
            let channel = self.scope.channels.get(&step.channel);
            if let (Some(position), Some(channel)) = (position, channel)
                && !steps.iter().any(|known| known.step == *step)
            {
                steps.push(ConsentColumn {
                    step: step.clone(),
                    channel: channel.0.clone(),
                    address: attribute_column(position),
                });
            }
        }
        Ok(ImportColumns { keyspace: self.scope.keyspace.0.clone(), attributes: columns, consents: steps })
    }
}

fn attribute_column(position: usize) -> String {
    format!("attribute_{position}")
}

fn opt_in_column(position: usize) -> String {
    format!("opt_in_{position}")
}

fn opt_out_column(position: usize) -> String {
    format!("opt_out_{position}")
}

impl ImportColumns {
    /// The first row.
    pub fn header(&self) -> Vec<String> {
        let attributes = (0..self.attributes.len()).map(attribute_column);
        let consents = (0..self.consents.len()).flat_map(|at| [opt_out_column(at), opt_in_column(at)]);
        std::iter::once(KEY.to_owned()).chain(attributes).chain(consents).collect()
    }

    /// An intent's row; none if it cannot be one. `new`: no profile is there yet, so that an empty cell
    /// for an attribute that the intent does not name erases nothing.
    pub fn row(&self, intent: &Intent, plan: &ConsentPlan, new: bool) -> Option<Vec<String>> {
        let known = |attribute: &AttributeId| self.attributes.iter().any(|(column, _)| column == attribute);
        if !intent.attributes.keys().all(known) {
            return None;
        }
        let mut row = Vec::with_capacity(1 + self.attributes.len() + 2 * self.consents.len());
        row.push(intent.key.0.clone());
        for (attribute, _) in &self.attributes {
            row.push(match intent.attributes.get(attribute) {
                Some(value) => cell(value)?,
                None if new => String::new(),
                None => return None,
            });
        }
        let mark = |steps: &[ConsentStep], step| if steps.contains(step) { "1" } else { "0" }.to_owned();
        for ConsentColumn { step, .. } in &self.consents {
            row.push(mark(&plan.opt_outs, step));
            row.push(mark(&plan.opt_ins, step));
        }
        Some(row)
    }

    /// The body that starts an import of such a file (APSIS One developer hub, "Import profiles", v2).
    /// An import never opts in again who opted out.
    pub(super) fn mapping(&self) -> Value {
        let attributes = self.attributes.iter().enumerate().map(|(at, (_, version))| {
            json!({ "field_selector": attribute_column(at), "attribute_version_id": version })
        });
        let mut by_address: Vec<(&str, Vec<Value>)> = Vec::new();
        for (at, column) in self.consents.iter().enumerate() {
            let consents =
                [(opt_out_column(at), "opt-out"), (opt_in_column(at), "opt-in")].map(|(name, kind)| {
                    json!({
                        "field_selector": name,
                        "channel_discriminator": column.channel,
                        "topic_discriminator": column.step.topic.0,
                        "type": kind,
                        "resubscribe_if_opted_out": false,
                    })
                });
            match by_address.iter_mut().find(|(address, _)| *address == column.address) {
                Some((_, known)) => known.extend(consents),
                None => by_address.push((&column.address, consents.to_vec())),
            }
        }
        let consents = by_address
            .into_iter()
            .map(|(address, consents)| json!({ "address_field_selector": address, "consents": consents }));
        json!({
            "keyspace_mapping": { "keyspace_discriminator": self.keyspace, "field_selector": KEY },
            "options": { "update_existing_profiles": true, "clear_existing_attributes": true },
            "attribute_mappings": attributes.collect::<Vec<_>>(),
            "consent_mappings": consents.collect::<Vec<_>>(),
        })
    }
}

/// An import's file on disk, without a name there: it is gone when it is dropped or the program is killed.
#[derive(Debug)]
pub struct ImportFile {
    pub(super) columns: ImportColumns,
    to: BufWriter<File>,
    bytes: u64,
    rows: u64,
    limit: u64,
}

impl ImportFile {
    /// An empty file in a directory. Writing blocks for as long as the disk takes; rows are small and
    /// buffered.
    pub fn create(columns: ImportColumns, directory: &Path) -> Result<Self, ApsisError> {
        Self::with_limit(columns, directory, FILE_BYTES)
    }

    pub(super) fn with_limit(
        columns: ImportColumns,
        directory: &Path,
        limit: u64,
    ) -> Result<Self, ApsisError> {
        let to = BufWriter::new(tempfile::tempfile_in(directory).map_err(|error| spool(&error))?);
        let header = csv_line(&columns.header());
        let mut file = Self { columns, to, bytes: 0, rows: 0, limit };
        file.write(&header)?;
        Ok(file)
    }

    /// Adds an intent's row. See `ImportColumns::row` for `new`.
    pub fn add(&mut self, intent: &Intent, plan: &ConsentPlan, new: bool) -> Result<Row, ApsisError> {
        let Some(row) = self.columns.row(intent, plan, new) else { return Ok(Row::Unsuited) };
        let line = csv_line(&row);
        if self.rows > 0 && self.bytes + line.len() as u64 > self.limit {
            return Ok(Row::Full);
        }
        self.write(&line)?;
        self.rows += 1;
        Ok(Row::Written)
    }

    /// How many rows there are, without the header.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file from its start, for one upload.
    pub(super) fn reader(&mut self) -> Result<File, ApsisError> {
        self.to.flush().map_err(|error| spool(&error))?;
        let mut file = self.to.get_ref().try_clone().map_err(|error| spool(&error))?;
        file.rewind().map_err(|error| spool(&error))?;
        Ok(file)
    }

    fn write(&mut self, line: &[u8]) -> Result<(), ApsisError> {
        self.to.write_all(line).map_err(|error| spool(&error))?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn spool(error: &io::Error) -> ApsisError {
    ApsisError::Spool { operation: Operation::UploadImport, message: error.kind().to_string() }
}

/// One row as CSV: commas, quotes where needed, `\n` at the end.
fn csv_line(row: &[String]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Neither can fail: the writer is memory, and there is one row.
    let _ = writer.write_record(row);
    writer.into_inner().unwrap_or_default()
}
