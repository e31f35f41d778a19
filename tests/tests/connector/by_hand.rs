//! Components made by hand, byte by byte: what no toolchain makes, because it keeps to the contract's types.
//!
//! Each is a connector that describes itself well, and whose `scan` is one of the test's own. Built on the first
//! frozen contract. Where things lie in memory is the component model's canonical ABI.

use std::fmt::Write as _;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where what is laid down begins.
const BASE: u32 = 1_024;

/// Memory that nothing is laid down in: zeros.
pub const ZEROS: u32 = 2 << 16;

/// What lies in a component's memory from the beginning.
#[derive(Default)]
pub struct Memory(Vec<u8>);

impl Memory {
    /// Lays bytes down where any type may lie; their address.
    pub fn lay(&mut self, bytes: &[u8]) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let at = BASE + u32::try_from(self.0.len()).unwrap();
        self.0.extend_from_slice(bytes);
        at
    }

    /// Lays words down, of four bytes each.
    pub fn words(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.lay(&bytes)
    }

    /// The address and the length of bytes that are meant to be text.
    pub fn text(&mut self, bytes: &[u8]) -> [u32; 2] {
        [self.lay(bytes), u32::try_from(bytes.len()).unwrap()]
    }

    /// A description that nothing is wrong with.
    fn description(&mut self) -> u32 {
        let schema = br#"{"type": "object", "properties": {"url": {"type": "string"},
            "fault": {"type": "string"}, "api-key": {"type": "string", "writeOnly": true}}}"#;
        let origin = self.text(b"{settings.url}");
        let origins = [self.words(&origin), 1];
        let texts = [&b"by-hand"[..], b"By hand", b"0.1.0", schema, b"id", b"email"];
        let [id, name, version, schema, id_field, email] = texts.map(|text| self.text(text));
        let (no_mobile, no_limit, no_features) = ([0, 0, 0], [0, 0, 0], [0, 0]);
        let parts: [&[u32]; 10] =
            [&id, &name, &version, &schema, &origins, &id_field, &email, &no_mobile, &no_limit, &no_features];
        self.words(&parts.concat())
    }
}

/// A page, as it lies in memory: `ok`, or what else is in the first word.
#[derive(Default)]
pub struct Told {
    pub case: u32,
    pub contacts: [u32; 2],
    pub discarded: [u32; 2],
    pub next: [u32; 3],
}

impl Told {
    pub fn lay(&self, memory: &mut Memory) -> u32 {
        let ([contacts, many], [discarded, of_them], [some, cursor, length]) =
            (self.contacts, self.discarded, self.next);
        memory.words(&[self.case, 0, contacts, many, discarded, of_them, some, cursor, length, 0, 0, 0, 0, 0])
    }
}

/// The connector's own error, as it lies in memory.
pub fn error(memory: &mut Memory, kind: u32, message: [u32; 2]) -> u32 {
    memory.words(&[1, 0, kind, message[0], message[1], 0, 0, 0, 0, 0, 0, 0])
}

/// What of a component is not the same in all of them, as WebAssembly text.
#[derive(Default)]
pub struct Code {
    /// Imports, before all else.
    pub imports: &'static str,
    /// Tables and functions.
    pub more: &'static str,
    /// What `scan` does before it answers.
    pub scan: String,
    /// Pages of memory, of 64 KiB each; 16 where nothing is said.
    pub pages: Option<u32>,
}

/// The component whose `scan` runs this code and answers what lies at `answer`.
pub fn component(mut memory: Memory, code: &Code, answer: u32) -> Vec<u8> {
    let description = memory.description();
    assert!(BASE as usize + memory.0.len() < ZEROS as usize);
    let mut data = String::new();
    for byte in &memory.0 {
        write!(data, "\\{byte:02x}").unwrap();
    }
    let Code { imports, more, scan, pages } = code;
    let pages = pages.unwrap_or(16);
    let text = format!(
        r#"(module
            {imports}
            (memory (export "memory") {pages})
            {more}
            (global $free (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (global.get $free))
                (global.set $free (i32.and (i32.const -16)
                    (i32.add (i32.const 15) (i32.add (global.get $free) (local.get 3)))))
                (local.get $at))
            (func (export "sluice:crm-connector/connector@0.1.0#describe") (result i32)
                (i32.const {description}))
            (func (export "sluice:crm-connector/connector@0.1.0#check") (result i32) unreachable)
            (func (export "sluice:crm-connector/contacts@0.1.0#list-fields") (result i32) unreachable)
            (func (export "sluice:crm-connector/contacts@0.1.0#list-consents") (result i32) unreachable)
            (func (export "sluice:crm-connector/contacts@0.1.0#scan") (param i32 i32 i32 i32) (result i32)
                {scan}
                (i32.const {answer}))
            (func (export "sluice:crm-connector/contacts@0.1.0#scan-changed")
                (param i32 i32 i32 i32 i32 i32) (result i32) unreachable)
            (func (export "sluice:crm-connector/contacts@0.1.0#get") (param i32 i32) (result i32) unreachable)
            (data (i32.const {BASE}) "{data}"))"#
    );
    let mut module = wat::parse_str(&text).unwrap();
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/frozen/0.1.0.wit");
    let mut resolve = Resolve::default();
    let package = resolve.push_file(contract).unwrap();
    let world = resolve.select_world(&[package], Some("reader")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}
