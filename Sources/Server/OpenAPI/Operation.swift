import HTTPTypes

/// What one method of a route does: all that the document and the page about it say.
struct Operation: Sendable {
    /// A part of a path, of a query or of a head.
    struct Parameter: Sendable {
        /// Where it stands.
        enum Place: String, Sendable { case header, path, query }

        var name: String
        var place: Place
        var description: String
        var schema: JSONValue = ["type": "string"]
    }

    /// A body of one media type.
    struct Content: Sendable {
        var type: String
        var schema: JSONValue
        /// Media types of a form's files.
        var files: [String: String] = [:]
    }

    /// Another operation that takes a value of an answer.
    struct Link: Sendable {
        /// The other operation's id.
        var operation: String
        /// Its parameters, each a constant or a runtime expression (OpenAPI 3.1, 4.8.20.3).
        var parameters: [String: String]
        var description: String
    }

    /// An answer.
    struct Answer: Sendable {
        var status: Int = 200
        var description: String
        var content: [Content] = []
        /// Headers besides `x-request-id`, and what they say.
        var headers: [String: String] = [:]
        var links: [Link] = []

        /// An answer with a JSON body of a schema in ``Schemas``.
        static func json(
            _ schema: String, _ description: String, status: Int = 200, links: [Link] = []
        ) -> Answer {
            Answer(
                status: status, description: description,
                content: [Content(type: "application/json", schema: .reference(schema))], links: links)
        }
    }

    /// Errors of one status, by their codes.
    struct Failure: Sendable {
        var status: Int
        var codes: [String]
        var description: String
        var headers: [String: String] = [:]
    }

    /// Groups of operations, in the order of the page.
    enum Tag: String, CaseIterable, Sendable {
        case images = "Images"
        case jobs = "Jobs"
        case models = "Models"
        case operations = "Operations"
        case pages = "Pages"
    }

    var method: HTTPRequest.Method = .get
    /// A name that is unique in the document, in camel case.
    var id: String
    var tag: Tag
    /// One line.
    var summary: String
    /// Sentences; words in backquotes are code.
    var description = ""
    var parameters: [Parameter] = []
    /// The body that it must have; empty: none.
    var body: [Content] = []
    var answers: [Answer]
    /// Errors besides those that every route has.
    var failures: [Failure] = []
}

extension JSONValue {
    /// A schema that stands among the document's components.
    static func reference(_ name: String) -> JSONValue { ["$ref": .string("#/components/schemas/\(name)")] }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int) { self = .integer(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(floatLiteral value: Double) { self = .number(value) }
    init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(Dictionary(elements) { $1 })
    }
}
