//! AsyncAPI 3 document of the interface: topics, directions, and the JSON schema of each payload,
//! generated from the types that the program sends and parses.

use instored_domain::{
    BoxState, Command, CommandFailure, CommandResponse, EnrolmentEvent, ListEvent, PresenceEvent,
    VisitEvent,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::signature::{KEY_PROPERTY, SEQUENCE_PROPERTY, SIGNATURE_PROPERTY};
use super::{PublicKeyAnnouncement, VERSION, Versioned, topics};

const SCHEMAS: &str = "/components/schemas";
/// Name of the channel for responses. It is part of the published document.
const RESPONSE_CHANNEL: &str = "answer";

/// Returns the AsyncAPI document as JSON.
pub fn asyncapi() -> Value {
    let generator = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = SCHEMAS.into())
        .for_serialize()
        .into_generator();
    let mut document = Document { generator, channels: Map::new(), operations: Map::new() };
    document.add_event::<VisitEvent>(topics::VISIT, "Arrival, change or end of a customer's visit");
    document.add_event::<PresenceEvent>(topics::PRESENCE, "Arrival or departure of some customer");
    document.add_event::<EnrolmentEvent>(topics::ENROLMENT, "Step of an enrolment");
    document.add_event::<ListEvent>(topics::LIST, "Current content of a customer's shopping list");
    document.add_event::<BoxState>(topics::STATE, "State of the box; retained");
    document.add_key();
    document.add_availability();
    document.add_commands();
    document.add_response();

    let Document { mut generator, channels, operations } = document;
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "instored",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "MQTT 5 interface of a box at the entrance of a shop: the events that it \
                publishes and the commands that it accepts. `v` is the version of an event. Clients \
                ignore unknown fields.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "schemas": generator.take_definitions(true) },
    })
}

/// Document under construction.
struct Document {
    generator: SchemaGenerator,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
}

impl Document {
    /// Adds a signed event that the box sends.
    fn add_event<T: JsonSchema>(&mut self, leaf: &str, summary: &str) {
        let mut schema = self.generator.subschema_for::<Versioned<T>>().to_value();
        self.set_version_constant(&mut schema);
        let string = json!({ "type": "string" });
        let message = json!({
            "summary": summary,
            "headers": {
                "type": "object",
                "required": [SIGNATURE_PROPERTY, KEY_PROPERTY, SEQUENCE_PROPERTY],
                "properties": {
                    SIGNATURE_PROPERTY: string,
                    KEY_PROPERTY: string,
                    SEQUENCE_PROPERTY: string,
                },
            },
            "payload": schema,
        });
        self.add_channel(leaf, leaf, message, "send");
    }

    /// Restricts the field `v` of an event's schema to the current version.
    fn set_version_constant(&mut self, schema: &mut Value) {
        let schema_name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let definitions = self.generator.definitions_mut();
        if let Some(event) = schema_name.and_then(|name| definitions.get_mut(name)) {
            event["properties"]["v"] =
                json!({ "const": VERSION, "description": "Version of the event format." });
        }
    }

    fn add_key(&mut self) {
        let schema = self.generator.subschema_for::<PublicKeyAnnouncement>().to_value();
        let message = json!({
            "summary": "Public key that verifies the signatures of events; retained",
            "payload": schema,
        });
        self.add_channel(topics::KEY, topics::KEY, message, "send");
    }

    fn add_availability(&mut self) {
        let message = json!({
            "summary": "Availability of the box; retained, also published as the last will",
            "contentType": "text/plain",
            "payload": { "type": "string", "enum": [topics::ONLINE, topics::OFFLINE] },
        });
        self.add_channel(topics::AVAILABILITY, topics::AVAILABILITY, message, "send");
    }

    /// Adds one channel for each verb. Its payload is the command without the verb.
    fn add_commands(&mut self) {
        let generator = SchemaSettings::draft07()
            .with(|settings| {
                settings.inline_subschemas = true;
                settings.meta_schema = None;
            })
            .for_deserialize()
            .into_generator();
        let commands = generator.into_root_schema_for::<Command>().to_value();
        for variant in commands["oneOf"].as_array().into_iter().flatten() {
            let mut payload = variant.clone();
            let verb =
                payload["properties"]["verb"]["const"].as_str().unwrap_or_default().to_owned();
            if let Some(fields) = payload["properties"].as_object_mut() {
                fields.remove("verb");
            }
            if let Some(required) = payload["required"].as_array_mut() {
                required.retain(|field| field != "verb");
            }
            let summary = payload.as_object_mut().and_then(|fields| fields.remove("description"));
            let name = format!("cmd_{}", verb.replace('-', "_"));
            let message = json!({
                "summary": summary,
                "description": "The box publishes the response to the MQTT 5 response topic of the \
                    command, with its correlation data.",
                "payload": payload,
            });
            let leaf = format!("{}{verb}", topics::COMMAND_PREFIX);
            self.add_channel(&name, &leaf, message, "receive");
        }
    }

    fn add_response(&mut self) {
        let response = self.generator.subschema_for::<CommandResponse>().to_value();
        let failure = self.generator.subschema_for::<CommandFailure>().to_value();
        let error = json!({
            "type": "object", "required": ["error"], "properties": { "error": failure },
        });
        let channel = json!({
            "address": null,
            "description": "Response topic of the command.",
            "messages": { RESPONSE_CHANNEL: {
                "summary": "Result of a command, or the error if the command failed",
                "payload": { "anyOf": [response, error] },
            } },
        });
        self.insert(RESPONSE_CHANNEL, channel, "send");
    }

    fn add_channel(&mut self, name: &str, leaf: &str, message: Value, action: &str) {
        let parameter = json!({ "description": "Name of the box: 1 to 32 of the characters a-z, 0-9, - and _." });
        let channel = json!({
            "address": format!("instored/{{box}}/{leaf}"),
            "parameters": { "box": parameter },
            "messages": { name: message },
        });
        self.insert(name, channel, action);
    }

    /// Inserts a channel and its operation.
    fn insert(&mut self, name: &str, channel: Value, action: &str) {
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
    fn every_topic_and_verb_has_a_channel() {
        let document = asyncapi();
        let channels = document["channels"].as_object().unwrap();
        let addresses: Vec<_> =
            channels.values().filter_map(|channel| channel["address"].as_str()).collect();
        for leaf in ["visit", "presence", "enrolment", "list", "state", "key", "availability"] {
            assert!(addresses.contains(&format!("instored/{{box}}/{leaf}").as_str()), "{leaf}");
        }
        for verb in Command::VERBS {
            assert!(addresses.contains(&format!("instored/{{box}}/cmd/{verb}").as_str()), "{verb}");
        }
        assert_eq!(addresses.len(), 7 + Command::VERBS.len());
    }

    #[test]
    fn event_schema_allows_current_version_only() {
        let visit = asyncapi()["components"]["schemas"]["VisitEventPayload"].clone();
        assert_eq!(visit["properties"]["v"]["const"], VERSION);
    }
}
