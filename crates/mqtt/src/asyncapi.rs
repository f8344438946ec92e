//! The contract with everybody else at the broker, as an AsyncAPI 3 document: topics, who says what
//! on them, and the schema of each payload, made from the types that are sent and read.

use instored_domain::{Answer, BoxState, Command, EnrolmentEvent, ListEvent, Refusal, VisitEvent};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{KeyNote, VERSION, Versioned, topics};

const SCHEMAS: &str = "/components/schemas";

/// The document, in JSON.
pub fn asyncapi() -> Value {
    let said = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = SCHEMAS.into())
        .for_serialize()
        .into_generator();
    let mut contract = Contract { said, channels: Map::new(), operations: Map::new() };
    contract.says::<VisitEvent>(
        topics::VISIT,
        "A customer came or went, or what is shown of them changed",
        SIGNED,
    );
    contract.says::<EnrolmentEvent>(topics::ENROLMENT, "How an enrolment goes on", SIGNED);
    contract.says::<ListEvent>(topics::LIST, "What is on a customer's list now", SIGNED);
    contract.says::<BoxState>(topics::STATE, "What the box is doing; retained", SIGNED);
    contract.tells_of_itself();
    contract.is_asked();
    contract.answers();

    let Contract { mut said, channels, operations } = contract;
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "instored",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a box at a shop's entrance says and is asked, over MQTT 5. Events \
                carry their version in `v`; fields that are not known are to be ignored.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "schemas": said.take_definitions(true) },
    })
}

/// What is signed: see docs/integration.md.
const SIGNED: &[&str] = &["sig", "key"];

struct Contract {
    said: SchemaGenerator,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
}

impl Contract {
    /// The box says this.
    fn says<T: JsonSchema>(&mut self, leaf: &str, summary: &str, signed: &[&str]) {
        let mut schema = self.said.subschema_for::<Versioned<T>>().to_value();
        self.fix_version(&mut schema);
        let headers: Map<_, _> =
            signed.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
        let message = json!({
            "summary": summary,
            "headers": { "type": "object", "required": signed, "properties": headers },
            "payload": schema,
        });
        self.channel(leaf, leaf, message, "send");
    }

    fn fix_version(&mut self, schema: &mut Value) {
        // `v` is a number to the type, and this number to the reader.
        let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let definitions = self.said.definitions_mut();
        if let Some(event) = name.and_then(|name| definitions.get_mut(name)) {
            event["properties"]["v"] = json!({ "const": VERSION, "description": "The version." });
        }
    }

    fn tells_of_itself(&mut self) {
        let key = self.said.subschema_for::<KeyNote>().to_value();
        let key =
            json!({ "summary": "The key that events are signed with; retained", "payload": key });
        self.channel(topics::KEY, topics::KEY, key, "send");
        let there = json!({
            "summary": "Whether the box is there; retained, and the last will",
            "contentType": "text/plain",
            "payload": { "type": "string", "enum": [topics::ONLINE, topics::OFFLINE] },
        });
        self.channel(topics::AVAILABILITY, topics::AVAILABILITY, there, "send");
    }

    /// A channel a verb: what it takes is the command's fields.
    fn is_asked(&mut self) {
        let read = SchemaSettings::draft07()
            .with(|settings| {
                settings.inline_subschemas = true;
                settings.meta_schema = None;
            })
            .for_deserialize()
            .into_generator();
        let command = read.into_root_schema_for::<Command>().to_value();
        for variant in command["oneOf"].as_array().into_iter().flatten() {
            let mut payload = variant.clone();
            let verb =
                payload["properties"]["verb"]["const"].as_str().unwrap_or_default().to_owned();
            if let Some(fields) = payload["properties"].as_object_mut() {
                fields.remove("verb");
            }
            if let Some(required) = payload["required"].as_array_mut() {
                required.retain(|field| field != "verb");
            }
            let summary = payload.as_object_mut().and_then(|all| all.remove("description"));
            let name = format!("cmd_{}", verb.replace('-', "_"));
            let message = json!({
                "summary": summary,
                "description": "Set the MQTT 5 response topic, and correlation data if you like; \
                    the answer goes there.",
                "payload": payload,
            });
            self.channel(&name, &format!("cmd/{verb}"), message, "receive");
        }
    }

    fn answers(&mut self) {
        let answer = self.said.subschema_for::<Answer>().to_value();
        let refusal = self.said.subschema_for::<Refusal>().to_value();
        let refused = json!({
            "type": "object", "required": ["error"], "properties": { "error": refusal },
        });
        self.channels.insert(
            "answer".to_owned(),
            json!({
                "address": null,
                "description": "Whatever topic the caller named as its response topic.",
                "messages": { "answer": {
                    "summary": "The answer to a command, or why it was not carried out",
                    "payload": { "anyOf": [answer, refused] },
                } },
            }),
        );
        self.operations.insert(
            "answer".to_owned(),
            json!({ "action": "send", "channel": { "$ref": "#/channels/answer" } }),
        );
    }

    fn channel(&mut self, name: &str, leaf: &str, message: Value, action: &str) {
        let parameter = json!({ "description": "The box's name: 1 to 32 of a-z, 0-9, - and _." });
        let channel = json!({
            "address": format!("instored/{{box}}/{leaf}"),
            "parameters": { "box": parameter },
            "messages": { name: message },
        });
        self.channels.insert(name.to_owned(), channel);
        let operation =
            json!({ "action": action, "channel": { "$ref": format!("#/channels/{name}") } });
        self.operations.insert(name.to_owned(), operation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_and_every_topic_has_its_channel() {
        let document = asyncapi();
        let channels = document["channels"].as_object().unwrap();
        let addresses: Vec<_> =
            channels.values().filter_map(|channel| channel["address"].as_str()).collect();
        for leaf in ["visit", "enrolment", "list", "state", "key", "availability"] {
            assert!(addresses.contains(&format!("instored/{{box}}/{leaf}").as_str()), "{leaf}");
        }
        for verb in Command::VERBS {
            assert!(addresses.contains(&format!("instored/{{box}}/cmd/{verb}").as_str()), "{verb}");
        }
        assert_eq!(addresses.len(), 6 + Command::VERBS.len());
    }

    #[test]
    fn an_event_says_its_version() {
        let visit = asyncapi()["components"]["schemas"]["VisitEventPayload"].clone();
        assert_eq!(visit["properties"]["v"]["const"], VERSION);
    }
}
