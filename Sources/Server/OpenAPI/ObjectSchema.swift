/// The schema of a JSON object or of a form, its fields in the order in which people read them.
struct ObjectSchema: Sendable {
    /// A field.
    struct Field: Sendable {
        var name: String
        var schema: JSONValue
        var description: String
        var isRequired = false
    }

    var description: String
    var fields: [Field]
    /// False: fields that are not listed are refused.
    var isOpen = false
    /// Rules between fields, as further keywords.
    var rules: [String: JSONValue] = [:]

    /// The schema in the words of JSON Schema 2020-12.
    var value: JSONValue {
        var object = rules
        object["type"] = "object"
        object["description"] = .string(description)
        object["properties"] = .object(
            Dictionary(
                uniqueKeysWithValues: fields.map { field in
                    guard case .object(var schema) = field.schema else { return (field.name, field.schema) }
                    if !field.description.isEmpty { schema["description"] = .string(field.description) }
                    return (field.name, .object(schema))
                }))
        let required = fields.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { object["required"] = .array(required) }
        if !isOpen { object["additionalProperties"] = false }
        return .object(object)
    }
}
