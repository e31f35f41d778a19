//! What whoever plays the people of the simulated webCRM can do with it, and see of it.

use serde_json::Value;

use super::model::Table;
use super::{Hook, WebcrmSwitches};
use crate::lock::held;
use crate::{Sandbox, SandboxError, WebhookCounters, WebhookSwitches};

fn table(name: &str) -> Result<Table, SandboxError> {
    Table::named(name).ok_or_else(|| SandboxError::Refused(format!("There is no table {name}.")))
}

impl Sandbox {
    /// webCRM's base URL.
    #[must_use]
    pub fn webcrm_url(&self) -> &str {
        &self.addresses().webcrm_url
    }

    /// webCRM's application token.
    #[must_use]
    pub fn webcrm_token(&self) -> &str {
        &self.addresses().webcrm_token
    }

    /// The ids of all records of `Person` or `Organisation`, ascending.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn webcrm_ids(&self, of: &str) -> Result<Vec<u64>, SandboxError> {
        Ok(self.world.webcrm.ids(table(of)?))
    }

    /// A record as webCRM's API gives it.
    ///
    /// # Errors
    /// When there is none.
    pub fn webcrm_record(&self, of: &str, id: u64) -> Result<Value, SandboxError> {
        let record = held(&self.world.webcrm.data).record(table(of)?, id);
        record.ok_or_else(|| SandboxError::Refused("There is no such record.".to_owned()))
    }

    /// Adds a record as a user of the CRM would; gives its id.
    ///
    /// # Errors
    /// When webCRM would refuse the values.
    pub fn webcrm_create(&self, of: &str, values: &Value) -> Result<u64, SandboxError> {
        self.world.webcrm.create(table(of)?, values).map_err(Into::into)
    }

    /// Changes the given fields of a record.
    ///
    /// # Errors
    /// When there is none, or webCRM would refuse the values.
    pub fn webcrm_update(&self, of: &str, id: u64, values: &Value) -> Result<(), SandboxError> {
        self.world.webcrm.update(table(of)?, id, values).map_err(Into::into)
    }

    /// Deletes a record, as a user of the CRM can.
    ///
    /// # Errors
    /// When there is none.
    pub fn webcrm_delete(&self, of: &str, id: u64) -> Result<(), SandboxError> {
        self.world.webcrm.delete(table(of)?, id).map_err(Into::into)
    }

    /// How webCRM behaves now.
    #[must_use]
    pub fn webcrm_switches(&self) -> WebcrmSwitches {
        self.world.webcrm.switches()
    }

    /// Changes how webCRM behaves.
    pub fn set_webcrm_switches(&self, switches: WebcrmSwitches) {
        *held(&self.world.webcrm.switches) = switches;
    }

    /// Kills every access token of webCRM.
    pub fn revoke_webcrm_tokens(&self) {
        held(&self.world.webcrm.tokens).revoke();
    }

    /// The hooks that are registered, with the tokens in their addresses.
    #[must_use]
    pub fn webcrm_hooks(&self) -> Vec<Hook> {
        held(&self.world.webcrm.hooks).all()
    }

    /// Changes how webCRM sends its hooks.
    pub fn set_webcrm_hook_switches(&self, switches: WebhookSwitches) {
        self.world.webcrm.webhooks.set_switches(switches);
    }

    /// Waits until no hook's message is waiting or in flight.
    pub async fn webcrm_hooks_idle(&self) -> WebhookCounters {
        self.world.webcrm.webhooks.until(WebhookCounters::is_idle).await
    }
}
