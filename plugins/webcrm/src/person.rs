//! From a person's record, with its organisation, to the contact.

use sluice_sdk::{Contact, Error, Field, Value};

use crate::company::{Companies, of_person, of_persons};
use crate::metadata::{Model, company_field};
use crate::record::Record;
use crate::table::Table;
use crate::value::decode;
use crate::{EMAIL, ID, WebCrm, consent};

impl WebCrm {
    /// The contacts of a page of persons, with their organisations.
    pub(crate) fn contacts(&self, persons: &[Record], model: &Model) -> Result<Vec<Contact>, Error> {
        let companies = of_persons(&self.api, persons, model)?;
        persons.iter().map(|record| self.contact(record, &companies, model)).collect()
    }

    /// A record without the field of the address says nothing of anybody: not having one is empty or null.
    fn contact(&self, record: &Record, companies: &Companies, model: &Model) -> Result<Contact, Error> {
        let id = record.id(Table::Person)?;
        if record.raw(EMAIL).is_none() {
            return Err(Error::misconfigured(format!(
                "webCRM sends persons without their field `{EMAIL}`. Give the application token the right to read it."
            )));
        }
        let mut fields = vec![Field { name: ID.to_owned(), value: Value::Integer(id) }];
        for field in model.person.iter().filter(|field| field.name != ID) {
            let value = record.raw(&field.name).map_or(Value::Null, |raw| decode(field, raw, &self.zone));
            fields.push(Field { name: field.name.clone(), value });
        }
        let company = of_person(record).and_then(|id| companies.get(&id));
        for field in &model.company {
            let raw = company.and_then(|company| company.raw(&field.name));
            let value = raw.map_or(Value::Null, |raw| decode(field, raw, &self.zone));
            fields.push(Field { name: company_field(&field.name), value });
        }
        let updated = |record: &Record, table: Table| record.time(table.updated_at(), &self.zone);
        let company_updated = company.and_then(|company| updated(company, Table::Organisation));
        let modified = updated(record, Table::Person).max(company_updated);
        Ok(Contact {
            id: id.to_string(),
            modified_at: modified.map(|at| at.to_string()),
            fields,
            consents: consent::answers(record, model, &self.settings)?,
        })
    }
}
