//! JSON of commands and responses.

use instored_domain::{Command, CommandFailure, CommandFailureCode, CommandResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Maximum size of a command's payload, in bytes.
pub(super) const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// Parses the payload of the topic `cmd/<verb>`: a JSON object with the fields of the command, or an
/// empty payload for a command without fields. The failure of an invalid command is the response to the
/// client.
pub(super) fn parse(verb: &str, payload: &[u8]) -> Result<Command, CommandFailure> {
    let malformed = |message: String| CommandFailure::new(CommandFailureCode::Malformed, message);
    if payload.len() > PAYLOAD_BYTES_MAX {
        let size = payload.len();
        let message = format!("the payload has {size} bytes; the maximum is {PAYLOAD_BYTES_MAX}");
        return Err(malformed(message));
    }
    let mut fields: Map<String, Value> = if payload.trim_ascii().is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(payload)
            .map_err(|error| malformed(format!("the payload is not a JSON object: {error}")))?
    };
    if fields.insert("verb".to_owned(), Value::from(verb)).is_some() {
        let message = "the payload contains `verb`; the verb belongs in the topic only";
        return Err(malformed(message.to_owned()));
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| {
        let message = error.to_string();
        if Command::VERBS.contains(&verb) {
            malformed(format!("`{verb}`: {message}"))
        } else {
            // serde reports an unknown verb as an unknown variant of the enum `Command`.
            let message = message.replacen("variant", "command", 1);
            CommandFailure::new(CommandFailureCode::UnknownCommand, message)
        }
    })
}

/// Returns the verb and the payload of a command.
pub(super) fn encode(command: &Command) -> serde_json::Result<(String, Vec<u8>)> {
    let mut fields: Map<String, Value> = serde_json::from_value(serde_json::to_value(command)?)?;
    match fields.remove("verb") {
        Some(Value::String(verb)) => Ok((verb, serde_json::to_vec(&fields)?)),
        _ => Err(serde::ser::Error::custom("the encoded command has no field `verb`")),
    }
}

/// Returns the payload of a response.
pub(super) fn encode_response_payload(
    response: &Result<CommandResponse, CommandFailure>,
) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct ErrorPayload<'a> {
        error: &'a CommandFailure,
    }
    match response {
        Ok(response) => serde_json::to_vec(response),
        Err(error) => serde_json::to_vec(&ErrorPayload { error }),
    }
}

/// Parses the payload of a response.
pub(super) fn decode_response_payload(
    payload: &[u8],
) -> serde_json::Result<Result<CommandResponse, CommandFailure>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ResponsePayload {
        Error { error: CommandFailure },
        CommandResponse(CommandResponse),
    }
    Ok(match serde_json::from_slice(payload)? {
        ResponsePayload::CommandResponse(response) => Ok(response),
        ResponsePayload::Error { error } => Err(error),
    })
}

#[cfg(test)]
mod tests {
    use instored_domain::CustomerId;

    use super::*;

    fn error_code(verb: &str, payload: &[u8]) -> CommandFailureCode {
        parse(verb, payload).unwrap_err().code
    }

    #[test]
    fn verb_is_read_from_topic() {
        assert_eq!(parse("present", b""), Ok(Command::Present { republishes_greetings: false }));
        assert_eq!(
            parse("present", b" {}\n"),
            Ok(Command::Present { republishes_greetings: false })
        );
        assert_eq!(
            parse("enrol", br#"{"language":"de"}"#),
            Ok(Command::Enrol { language: Some("de".into()) })
        );
        assert_eq!(error_code("present", br#"{"verb":"forget"}"#), CommandFailureCode::Malformed);
    }

    #[test]
    fn invalid_command_is_rejected_with_error_code() {
        assert_eq!(error_code("dance", b"{}"), CommandFailureCode::UnknownCommand);
        assert_eq!(error_code("", b""), CommandFailureCode::UnknownCommand);
        assert!(parse("dance", b"").unwrap_err().message.contains("not-me"));
        // The verb is known, and the value of `by` is not.
        assert_eq!(error_code("history", br#"{"by":"history"}"#), CommandFailureCode::Malformed);
        for payload in [&b"{"[..], b"[]", b"\xff\xfe", b"{}{}", br#"{"customer":7}"#, b"{}"] {
            assert_eq!(error_code("forget", payload), CommandFailureCode::Malformed);
        }
        let too_long = vec![b' '; PAYLOAD_BYTES_MAX + 1];
        assert_eq!(error_code("present", &too_long), CommandFailureCode::Malformed);
    }

    #[test]
    fn encoding_preserves_commands_and_responses() {
        let customer = CustomerId(uuid::Uuid::from_u128(3));
        let command = Command::NotMe { customer };
        let (verb, payload) = encode(&command).unwrap();
        assert_eq!((verb.as_str(), parse(&verb, &payload)), ("not-me", Ok(command)));

        for response in [
            Ok(CommandResponse::Forgotten(customer)),
            Ok(CommandResponse::Enrolling {}),
            Err(CommandFailure::new(CommandFailureCode::NotFound, "no such customer")),
        ] {
            let payload = encode_response_payload(&response).unwrap();
            assert_eq!(decode_response_payload(&payload).unwrap(), response);
        }
    }

    proptest::proptest! {
        #[test]
        fn parse_does_not_panic(verb in ".{0,12}", payload: Vec<u8>) {
            let _ = parse(&verb, &payload);
        }
    }
}
