//! The whole way of a new marketer, in a real browser: from no integration at all to a contact of which it is known why it
//! was rejected.

use sluice_tests::live::{Live, On};
use sluice_tests::rig::{ACME, made_up};

use crate::browser::Chrome;

/// A host with a connector, and no integration.
pub async fn empty_host(people: u64) -> Live {
    let mut live = Live::still(On::Sqlite.url(), made_up(people), |text| text).await;
    let (_, key) = live.new_key().await;
    live.give_keys(&[&key]);
    let gone = live.run(&["integration", "delete", ACME, "--keep-webhook"]).await;
    assert_eq!(gone.code(), 0, "{}", gone.log);
    live.serve().await;
    live
}

/// A token of an operator.
pub async fn operator(live: &Live) -> String {
    let made = live.run(&["token", "create", "page", "--role", "operator"]).await;
    made.last()["token"].as_str().unwrap_or_else(|| panic!("{}", made.log)).to_owned()
}

/// Enables an integration by the form.
pub async fn enable(chrome: &Chrome, live: &Live) {
    chrome.open("/integrations").await;
    assert!(chrome.words().await.contains("There is no integration yet."));
    chrome.press("Enable an integration").await;
    chrome.press("Lime CRM").await;
    chrome.write("#id", "acme").await;
    chrome.write("#name", "Acme").await;
    let addresses = live.sandbox.addresses();
    chrome.write("[id='setting.url']", &addresses.lime_url).await;
    chrome.write("[id='secret.api-key']", "not-the-key").await;
    chrome.tick("[name=grant]").await;
    chrome.tick("[name=private-network]").await;
    chrome.write("[id='apsis.url']", &addresses.apsis_url).await;
    chrome.write("[id='apsis.client-id']", "b2f0c1de-0000-4000-8000-000000000001").await;
    chrome.write("[id='apsis.client-secret']", &addresses.apsis_client_secret).await;
    chrome.write("[id='apsis.section']", "Nordics").await;
    chrome.tick("[name='apsis.private-network']").await;
    chrome.press("Test connection").await;
    // A wrong key is said in words, before anything is stored.
    let said = chrome.until("#findings .not-ok").await;
    assert!(said.contains("CRM"), "{said}");
    chrome.write("[id='secret.api-key']", &addresses.lime_key).await;
    chrome.press("Test connection").await;
    chrome.until_words("it answers, and the API key works").await;
    chrome.page.wait().for_element(fantoccini::Locator::Css("#findings .ok")).await.unwrap();
    assert!(!chrome.words().await.contains("✗"), "{}", chrome.words().await);
    // By its place: a tab begins with the same word.
    let enable =
        chrome.page.find(fantoccini::Locator::XPath("//form//button[normalize-space(.)='Enable']")).await;
    enable.unwrap().click().await.unwrap();
    chrome.until_words("The integration is enabled").await;
}

/// From nothing to a rejected contact of which it is known why.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_marketer_goes_all_the_way() {
    let live = empty_host(300).await;
    let token = operator(&live).await;
    let chrome = Chrome::start(live.url()).await;
    chrome.log_in(&token).await;
    enable(&chrome, &live).await;
    chrome.until_words("A full sync is needed").await;

    // Sync conditions: a rule, with what it asks for offered by the field's type.
    chrome.press("Sync Conditions").await;
    chrome.press("Add New Rule").await;
    chrome.write("#field-0", "inactive").await;
    chrome.until_words("yes or no").await;
    chrome.choose("#value-0", "no").await;
    chrome.until_words("Nothing is known of the contacts").await;
    chrome.press("Save").await;
    chrome.until_words("Saved. No full sync is needed").await;

    // Field mapping: a clash of types is shown as it is made, and mended.
    chrome.press("Field Mapping").await;
    chrome.until_words("Mapped by itself").await;
    chrome.press("Add new mapping").await;
    chrome.write("#field-0", "inactive").await;
    chrome.choose("#attribute-0", "Mobile (mobile)").await;
    let clash = chrome.until(".rule .wrong-words").await;
    assert!(clash.contains("inactive") || clash.contains("yes or no"), "{clash}");
    chrome.write("#field-0", "firstname").await;
    chrome.choose("#attribute-0", "First name (text)").await;
    chrome.press("Save").await;
    chrome.until_words("Saved. A full sync is needed").await;
    chrome.press("Add new mapping").await;
    chrome.write("#field-1", "mobilephone").await;
    chrome.choose("#attribute-1", "Mobile (mobile)").await;
    chrome.press("Save").await;
    chrome.until_words("Saved. A full sync is needed").await;

    // Consent mappings: one channel a row, with a hint about the other.
    chrome.press("Consent Mappings").await;
    chrome.press("Add new mapping").await;
    chrome.choose("#source-0", "Nyhetsbrev via e-post").await;
    chrome.choose("#topic-0", "Newsletter").await;
    chrome.until_words("SMS of this consent is not mapped").await;
    chrome.press("Save").await;
    chrome.until_words("Saved. A full sync is needed").await;

    // A dry run, and what would change.
    chrome.press("Full Sync").await;
    chrome.press("Dry run").await;
    chrome.until_words("Download as CSV").await;
    chrome.press("What would change").await;
    chrome.until_words("the profile would be created").await;

    // A full sync, watched to its end.
    chrome.press("Full Sync").await;
    chrome.press("Start sync").await;
    chrome.until_words("Download as CSV").await;
    let words = chrome.words().await;
    assert!(words.contains("Completed"), "{words}");
    // B1: it is needed no more.
    assert!(!words.contains("A full sync is needed"), "{words}");

    // Why one was rejected: from the counts to the contact.
    chrome.press("mobile-invalid").await;
    chrome.until_words("(mobile-invalid)").await;
    let first = chrome.page.find(fantoccini::Locator::Css("tbody tr a")).await.unwrap();
    first.click().await.unwrap();
    chrome.until_words("What the rules made of it").await;
    let words = chrome.words().await;
    assert!(words.contains("mobilephone") && words.contains("not in APSIS One"), "{words}");

    // Now that the contacts are known, a rule shows whom it would leave out before it is saved.
    chrome.press("Sync Conditions").await;
    chrome.until("#matching").await;
    chrome.press("Add New Rule").await;
    chrome.write("#field-1", "country").await;
    chrome.write("#value-1", "Norway").await;
    chrome.until_words("Have a profile, and would match no more").await;

    // An overview becomes a tag.
    live.sandbox.add_tag("usercreated.tags.evening-a1b2c3d4e5", "Customer evening");
    chrome.press("Overviews").await;
    chrome.choose("#tag-0", "Customer evening").await;
    chrome.press("Save Frukostseminarium").await;
    chrome.until_words("Saved.").await;
    chrome.press("Import now Frukostseminarium").await;
    chrome.until_words("The import has begun.").await;
    while !chrome.words().await.contains("completed") {
        chrome.open("/integrations/acme/overviews").await;
    }
    chrome.press("completed").await;
    chrome.until_words("Frukostseminarium → Customer evening").await;
    assert_eq!(chrome.errors().await, Vec::<String>::new());
    chrome.end().await;
}

/// What changes in the CRM shows as it comes, and a contact can be synced by itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_is_seen_as_it_comes() {
    let live = Live::start(On::Sqlite, made_up(60), |text| text).await;
    assert_eq!(live.run(&["sync", "start", ACME]).await.code(), 0);
    let token = operator(&live).await;
    let chrome = Chrome::start(live.url()).await;
    chrome.log_in(&token).await;
    chrome.open(&format!("/integrations/{ACME}/activity")).await;
    assert!(chrome.words().await.contains("There is none."));
    let mut editor = sluice_sandbox::Editor::new(&live.sandbox, 7).unwrap();
    editor.edit(&live.sandbox, 1).unwrap();
    // Nobody loads the page anew.
    chrome.until("#rows tbody tr").await;

    chrome.open(&format!("/integrations/{ACME}/contacts/5001")).await;
    chrome.press("Dry run").await;
    chrome.until("#foretold h3").await;
    chrome.press("Sync now").await;
    chrome.until_words("The contact is read from the CRM and written").await;
    assert!(chrome.errors().await.is_empty());
    chrome.end().await;
}
