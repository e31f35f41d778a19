//! Imports and exports through the client's front door.

use std::io::Write;

use super::*;
use crate::profile::Intent;

fn intent(key: &str, city: AttributeValue) -> Intent {
    let mut attributes = email(&format!("{key}@example.se"));
    attributes.insert(AttributeId("city".into()), city);
    Intent {
        key: id(key),
        attributes,
        consents: Vec::new(),
        left_out: Vec::new(),
        paused: Vec::new(),
        unwritten: None,
    }
}

fn step(channel: Channel) -> ConsentStep {
    ConsentStep { topic: TopicId("news".into()), channel }
}

fn columns(target: &Target) -> ImportColumns {
    let attributes = [AttributeId(EMAIL.into()), AttributeId("city".into())];
    target.import_columns(&attributes, &[step(Channel::Email), step(Channel::Sms)]).unwrap()
}

#[tokio::test]
async fn rows_keep_what_they_are_given() {
    let (_server, target) = target(|_| empty(500)).await;
    let columns = columns(&target);
    // SMS has no column: there is none for the mobile number.
    assert_eq!(columns.header(), ["profile_key", "attribute_0", "attribute_1", "opt_out_0", "opt_in_0"]);
    let mut file = ImportFile::create(columns, &std::env::temp_dir()).unwrap();
    let opt_in = ConsentPlan { opt_ins: vec![step(Channel::Email)], ..ConsentPlan::default() };
    let opt_out = ConsentPlan { opt_outs: vec![step(Channel::Email)], ..ConsentPlan::default() };
    let texts = ["=1+2", "line\nbreak", "say \"hi\", you", " blanks ", "åäö;|\t"];
    for (number, text) in texts.iter().enumerate() {
        let intent = intent(&number.to_string(), AttributeValue::Text((*text).to_owned()));
        assert_eq!(file.add(&intent, &opt_in, false).unwrap(), Row::Written);
    }
    assert_eq!(file.add(&intent("c", AttributeValue::Clear), &opt_out, false).unwrap(), Row::Written);
    let mut partial = intent("p", AttributeValue::Clear);
    partial.attributes.remove(&AttributeId("city".into()));
    assert_eq!(file.add(&partial, &opt_in, false).unwrap(), Row::Unsuited, "an empty cell would erase");
    assert_eq!(file.add(&partial, &opt_in, true).unwrap(), Row::Written, "nothing is there to erase");
    let mut foreign = intent("f", AttributeValue::Clear);
    foreign.attributes.insert(AttributeId("other".into()), AttributeValue::Boolean(true));
    assert_eq!(file.add(&foreign, &opt_in, true).unwrap(), Row::Unsuited);

    let mut read = csv::Reader::from_reader(file.reader().unwrap());
    let rows: Vec<csv::StringRecord> = read.records().map(Result::unwrap).collect();
    assert_eq!(rows.len() as u64, file.rows());
    for (row, text) in rows.iter().zip(texts) {
        assert_eq!((&row[2], &row[3], &row[4]), (text, "0", "1"));
    }
    assert_eq!((&rows[5][2], &rows[5][3], &rows[5][4]), ("", "1", "0"));
}

#[tokio::test]
async fn a_file_that_is_full_takes_no_more() {
    let (_server, target) = target(|_| empty(500)).await;
    let mut file = ImportFile::with_limit(columns(&target), &std::env::temp_dir(), 200).unwrap();
    let plan = ConsentPlan::default();
    let taken = (0..100).take_while(|number| {
        file.add(&intent(&number.to_string(), AttributeValue::Clear), &plan, false).unwrap() == Row::Written
    });
    let taken = taken.count();
    assert!(taken > 1 && taken < 20, "{taken}");
    assert!(file.bytes() <= 200);
}

#[tokio::test]
async fn an_import_is_started_uploaded_and_followed() {
    let uploads = AtomicUsize::new(0);
    let host = Server::start(move |_| match uploads.fetch_add(1, Ordering::SeqCst) {
        0 => Does::Drops,
        1 => Does::Answer(503, Vec::new(), b"<Error><Code>SlowDown</Code></Error>".to_vec()),
        _ => empty(204),
    })
    .await;
    let upload = format!("{}/bucket", host.url);
    let (server, target) = target(move |request| {
        if request.line.starts_with("POST") {
            return json(
                201,
                value!({"import_id": "5e0f", "file_upload_url": upload,
                "file_upload_body": {"policy": "p-value", "key": "k-value"},
                "file_upload_url_expires_at": "2030-03-01T10:00:00Z"}),
            );
        }
        json(200, value!({"result": {"status": "in_progress"}}))
    })
    .await;
    let mut file = ImportFile::create(columns(&target), &std::env::temp_dir()).unwrap();
    file.add(&intent("1", AttributeValue::Text("Malmö".into())), &ConsentPlan::default(), false).unwrap();
    let begun = target.begin_import(&file).await.unwrap();
    assert_eq!(begun.id(), &ImportId("5e0f".into()));
    let shown = format!("{begun:?}");
    assert!(!shown.contains("p-value"), "the permission to upload is a secret: {shown}");
    assert!(host.arrived().is_empty(), "the id is known before the file leaves");
    let import = begun.id().clone();
    target.upload_import(begun, &mut file).await.unwrap();
    assert_eq!(target.import_state(&import).await.unwrap(), ImportState::Running);

    let mapping = server.of("POST /v2/audience/sections").remove(0).json();
    assert_eq!(
        mapping["keyspace_mapping"],
        value!({"keyspace_discriminator": KEYSPACE, "field_selector": "profile_key"})
    );
    assert_eq!(
        mapping["options"],
        value!({"update_existing_profiles": true, "clear_existing_attributes": true})
    );
    assert_eq!(
        mapping["attribute_mappings"][1],
        value!({"field_selector": "attribute_1", "attribute_version_id": "312460234"})
    );
    let consents = mapping["consent_mappings"].as_array().unwrap();
    assert_eq!(consents.len(), 1);
    assert_eq!(consents[0]["address_field_selector"], "attribute_0");
    let kinds: Vec<_> = consents[0]["consents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|consent| {
            assert_eq!(consent["resubscribe_if_opted_out"], false);
            (consent["field_selector"].as_str().unwrap(), consent["type"].as_str().unwrap())
        })
        .collect();
    assert_eq!(kinds, [("opt_out_0", "opt-out"), ("opt_in_0", "opt-in")]);

    let sent = host.arrived();
    assert_eq!(sent.len(), 3);
    let sent = &sent[2];
    assert!(!sent.headers.contains_key("authorization"), "the upload host gets no token");
    let body = String::from_utf8(sent.body.clone()).unwrap();
    let places = [
        "p-value",
        "k-value",
        "name=\"file\"",
        "text/csv",
        "profile_key,attribute_0",
        "1,1@example.se,Malmö,0,0\n",
    ];
    let places: Vec<usize> = places.iter().map(|part| body.find(part).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[tokio::test]
async fn an_upload_to_a_metadata_address_is_refused() {
    let (_server, target) = target(|_| {
        json(201, value!({"import_id": "5e0f", "file_upload_url": "http://169.254.169.254/x", "file_upload_body": {}}))
    })
    .await;
    let mut file = ImportFile::create(columns(&target), &std::env::temp_dir()).unwrap();
    let begun = target.begin_import(&file).await.unwrap();
    let error = target.upload_import(begun, &mut file).await.unwrap_err();
    assert!(matches!(error, ApsisError::Forbidden { .. }), "{error}");
}

fn export_of(count: usize) -> Vec<u8> {
    let profiles: Vec<_> = (0..count).map(|number| value!({
        "profile_keys": [{"keyspace_discriminator": KEYSPACE, "profile_key": format!("{number}")},
            {"keyspace_discriminator": "com.apsis1.keyspaces.email", "profile_key": "x@example.se"}],
        "attributes": {"city": "Malmö", "score": 12.50, "gone": null, "odd": {"a": [1]}},
        "consents": [{"topic_discriminator": "news", "channel_discriminator": "com.apsis1.channels.email", "type": "opt-out"}]
    })).collect();
    value!({"created": {"deep": [1, 2]}, "profiles": profiles, "more": "x"}).to_string().into_bytes()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(content).unwrap();
    to.finish().unwrap()
}

/// Exports through a server that answers the looks in turn.
async fn export(looks: Vec<fn() -> Does>) -> (Server, Target, Result<ExportFile, ApsisError>) {
    let turn = in_turn(looks);
    let (server, target) = target(move |request| match request.line.as_str() {
        "POST /audience/profiles/exports" => json(202, value!({"poll_url": "/audience/profiles/exports/9"})),
        _ => turn(request),
    })
    .await;
    let file = target.export(&[AttributeId("city".into())], &std::env::temp_dir()).await;
    (server, target, file)
}

#[tokio::test]
async fn an_export_is_waited_for_and_read() {
    let (server, target, file) = export(vec![|| empty(404), || empty(404), || {
        Does::Answer(200, vec![("content-encoding", "gzip".into())], gzip(&export_of(2500)))
    }])
    .await;
    let request = server.of("POST /audience/profiles/exports").remove(0).json();
    assert_eq!(
        request,
        value!({"section_discriminator": SECTION, "attributes": ["city"], "include_topics": true})
    );
    let look = server.of("GET /audience/profiles/exports/9").remove(0);
    assert_eq!(look.headers["accept-encoding"], "gzip");
    let mut pages = target.export_pages(file.unwrap(), 1000);
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        sizes.push(page.len());
        let first = &page[0];
        assert_eq!(first.attributes[&AttributeId("score".into())], FoundValue::Number("12.5".into()));
        assert_eq!(first.attributes[&AttributeId("city".into())], FoundValue::Text("Malmö".into()));
        assert_eq!(first.attributes[&AttributeId("odd".into())], FoundValue::Other);
        assert_eq!(first.consents[0].state, ConsentType::OptOut);
        assert!(!format!("{first:?}").contains("Malmö"));
    }
    assert_eq!(sizes, [1000, 1000, 500]);
}

#[tokio::test]
async fn an_export_that_is_not_compressed_is_read_too_and_can_be_left() {
    let (_server, target, file) = export(vec![|| Does::Answer(200, Vec::new(), export_of(5))]).await;
    let mut keys = Vec::new();
    target
        .read_export(file.unwrap(), |profile| {
            keys.push(profile.key.0);
            if keys.len() == 2 {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        })
        .unwrap();
    assert_eq!(keys, ["0", "1"]);
}

#[tokio::test]
async fn an_export_that_failed_is_asked_for_anew_and_then_given_up() {
    let (server, _target, file) =
        export(vec![|| empty(503), || empty(410), || Does::Answer(200, Vec::new(), export_of(1))]).await;
    assert!(file.is_ok());
    assert_eq!(server.of("POST /audience/profiles/exports").len(), 3);
    let (_server, _target, file) = export(vec![|| empty(503)]).await;
    assert!(matches!(file, Err(ApsisError::ExportFailed(_))));
}

#[tokio::test]
async fn a_damaged_export_is_an_error_and_not_an_end() {
    for content in [
        || export_of(3)[..200].to_vec(),
        || gzip(&export_of(300))[..400].to_vec(),
        || b"{\"other\":[]}".to_vec(),
        || b"[]".to_vec(),
        || b"".to_vec(),
        || br#"{"profiles":[{"profile_keys":7}]}"#.to_vec(),
    ] as [fn() -> Vec<u8>; 6]
    {
        let (_server, target) = target(move |request| match request.line.as_str() {
            "POST /audience/profiles/exports" => json(202, value!({"poll_url": "/file"})),
            _ => Does::Answer(200, Vec::new(), content()),
        })
        .await;
        let file = target.export(&[AttributeId("city".into())], &std::env::temp_dir()).await.unwrap();
        let error = target.read_export(file, |_| std::ops::ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol, "{error}");
    }
}
